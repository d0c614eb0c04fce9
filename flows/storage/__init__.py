"""Storage of finished files: the Storage protocol, S3, a shared folder, and the search for orphans.

The bytes of a file are made in `formats`. Which attempt's file is valid is recorded in `runs.receipt`.
"""
