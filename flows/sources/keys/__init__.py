"""Check that the key of a report identifies each row.

The keys are not compared if the database's unique indexes already guarantee that they are unique.
"""
