"""Units of memory and of files."""

MIB = 2**20
"""Bytes."""
