"""Check that a report's key uniquely identifies each row.

If the database's unique indexes already guarantee that keys are unique, the check does not compare them.
"""
