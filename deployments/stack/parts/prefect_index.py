"""Add indexes to Prefect's database.

Prefect has no index on run tags. With 200,000 runs, listing a caller's exports takes about a second without
an index and 10 ms with one. The second index finds the newest expired exports. Without it, PostgreSQL would
first read all newer exports, which have not expired yet.
"""

import psycopg

TAGS = "report_exports_flow_run_tags ON flow_run USING gin (tags)"
EXPIRED = (
    "report_exports_flow_run_expired ON flow_run (expected_start_time DESC) WHERE tags ?| ARRAY['expired']"
)


def create(url: str) -> None:
    with psycopg.connect(url) as database:
        for index in (TAGS, EXPIRED):
            database.execute(f"CREATE INDEX IF NOT EXISTS {index}")
