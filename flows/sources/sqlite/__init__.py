"""Read large SQLite tables as Arrow columns, in a child process.

This package contains only the fast path. It can be deleted once `choose` no longer lists `adbc_chunks`.
SQLite's snapshots and time limits are in `sources.sessions`, because the general source needs them too.
"""
