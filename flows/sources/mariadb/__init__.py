"""Read rows from MariaDB as one string per row, which Arrow splits into columns.

This package contains only the fast path. It can be deleted once `choose` no longer lists `concat_chunks`.
MariaDB's snapshots and time limits are in `sources.sessions`, because the general source needs them too.
"""
