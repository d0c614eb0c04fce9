"""Output formats: from typed columns, or from PostgreSQL's own CSV records, to the bytes of a file.

Here: one `*_format` module per format, listed in `registry`, and what those modules share.
Not here: where a file is stored (`storage`), what a request may contain (`query`).
"""
