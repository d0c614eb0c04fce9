"""Convert typed columns, or PostgreSQL's own CSV records, to the bytes of an output file.

Each format is a module or package here and is listed in `registry`. Code that formats share also belongs
here. The `storage` package stores the file, and the `query` package defines what a request may contain.
"""
