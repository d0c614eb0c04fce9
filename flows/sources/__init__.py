"""Read the rows for a request from a single snapshot of a database.

This package opens connections and snapshots, classifies database errors, and contains the row sources.
`choose` lists the sources in the order in which they are tried. The `query` package builds the statements,
and the `formats` package writes the values.
"""
