"""Reading the rows of a request from a database, all in one snapshot.

Here: connections, snapshots, errors of databases, and the sources, in order in `choose`.
Not here: what is selected (`query`), how a value is written (`formats`).
"""
