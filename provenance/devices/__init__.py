"""Devices that vouch for captures: their keys, what attests these, and what they sign."""
