"""Check that a report's key uniquely identifies each row.

The check does not compare keys if the database's unique indexes already guarantee that they are unique.
"""
