"""Read the rows of a request from a database in one snapshot.

This package opens connections and snapshots, classifies database errors, and contains the row sources.
`choose` lists the sources in the order in which they are tried. The `query` package builds the statements,
and the `formats` package writes the values.
"""
