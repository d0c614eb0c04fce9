"""Read each row from MariaDB as a single string and let Arrow split the strings into columns.

This package contains only a fast path. To remove it, delete the package and the `concat_chunks` entry in
`choose`. The code for MariaDB's snapshots and time limits is in `sources.sessions`, because the general
source also needs it.
"""
