"""Convert typed columns, or PostgreSQL's own CSV records, to the bytes of an output file.

Each format is a module or subpackage and is listed in `registry`. Code shared by several formats also belongs
here. The `storage` package stores the file, and the `query` package defines what a request may contain.
"""
