"""PostgreSQL: COPY, straight into the file or into typed columns, and the row that COPY fails on.

Here: everything that only PostgreSQL's sources need.
Not here: connections and snapshots, which the API uses as well (`sources.snapshot`).
"""
