"""Check that the key of a report identifies its rows.

The check is skipped if the unique indexes of the database already rule out that the key repeats.
"""
