"""Store finished files in S3 or a shared folder, and find orphaned objects.

The `formats` package produces the bytes of a file. `runs.receipt` records which attempt's file is valid.
"""
