"""Define what an export contains: report declarations, requests, filters, masking and the SQL statement.

Nothing in this package connects to a database (see `sources`) or formats a file (see `formats`).
"""
