"""Store finished files in S3 or a shared folder, and find orphaned objects.

The `formats` package produces the bytes of a file. `runs.receipt` records the attempt whose file is valid.
"""
