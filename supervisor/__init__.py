"""Runs the service's processes and its embedded engines on one machine."""
