"""MariaDB: rows as one string each, split by Arrow.

Here: everything that this fast path needs; all of it can go if `choose` no longer lists `concat_chunks`.
Not here: MariaDB's snapshots and errors (`sources.sessions`), which the general source needs as well.
"""
