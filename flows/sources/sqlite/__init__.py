"""Read large SQLite tables as Arrow columns in a child process.

This package contains only a fast path. To remove it, delete the package and the `adbc_chunks` entry in
`choose`. The code for SQLite's snapshots and time limits is in `sources.sessions`, because the general source
also needs it.
"""
