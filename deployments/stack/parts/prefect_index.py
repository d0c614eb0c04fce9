"""Add an index to Prefect's database.

Prefect has no index on run tags. With 200,000 runs, listing a caller's exports takes about a second without
an index and 10 ms with one.
"""

import psycopg

CREATE = "CREATE INDEX IF NOT EXISTS report_exports_flow_run_tags ON flow_run USING gin (tags)"


def create(url: str) -> None:
    with psycopg.connect(url) as database:
        database.execute(CREATE)
