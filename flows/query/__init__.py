"""Declare reports, validate requests, and build SQL statements with filters and masks.

Nothing in this package connects to a database (see `sources`) or formats a file (see `formats`).
"""
