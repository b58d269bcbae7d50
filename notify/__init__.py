"""Telling others: which addresses may be told, what is sent to them, and how it is signed and encrypted."""
