"""SQLite: large tables, read as Arrow columns by a second process.

Here: everything that this fast path needs; all of it can go if `choose` no longer lists `adbc_chunks`.
Not here: SQLite's snapshots and errors (`sources.sessions`), which the general source needs as well.
"""
