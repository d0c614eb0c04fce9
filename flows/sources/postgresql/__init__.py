"""Read rows from PostgreSQL with COPY, either as finished CSV records or as typed columns.

The package also finds the row on which a COPY failed. Connections and snapshots are in `sources.snapshot`,
because the API also uses them.
"""
