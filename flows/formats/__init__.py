"""Output formats. They turn typed columns, or PostgreSQL's own CSV records, into the bytes of a file.

Each format has a module or a package here and is listed in `registry`, together with what formats share.
Where a file is stored belongs in `storage`; what a request may contain belongs in `query`.
"""
