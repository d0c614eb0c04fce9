"""Content of an export: report declarations, requests, filters, dates, masking, and the SQL statement.

Nothing here connects to a database (see `sources`) or formats a file (see `formats`).
"""
