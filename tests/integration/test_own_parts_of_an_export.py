"""A source and a format that the product does not have, run through the real flow and the real storage."""

import json
import subprocess
import sys
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.running_stack import Stack, clean_environment

WITHIN_SECONDS = 120
REQUEST = {
    "report": "orders",
    "from": "2024-07-01",
    "to": "2024-07-31",
    "columns": ["number", "status"],
    "sort": "number",
    "format": "lines",
    "lines": {"separator": " / "},
}


@pytest.fixture
def export(stack: Stack) -> Any:
    def run(request: dict[str, Any]) -> tuple[dict[str, str], str]:
        """Return how the run ended, and what it wrote to standard error."""
        command = [sys.executable, "-m", "tests.integration.export_with_own_parts", json.dumps(request)]
        environment = {**clean_environment(), **stack.settings}
        ended = subprocess.run(  # noqa: S603 - our own module
            command, env=environment, capture_output=True, text=True, timeout=WITHIN_SECONDS, check=True
        )
        return json.loads(ended.stdout.splitlines()[-1]), ended.stderr

    return run


def test_an_export_runs_through_a_new_source_and_format(
    export: Any, stack: Stack, s3: Any, prefect: httpx.Client, database: psycopg.Connection
) -> None:
    ending, errors = export(REQUEST)
    assert ending["name"] == "Completed", ending
    assert "closed" in errors

    stored = s3.get_object(Bucket=stack.bucket, Key=f"{ending['run']}/1.lines.txt")
    head, *rows, foot = stored["Body"].read().decode().splitlines()
    assert stored["ContentType"] == "text/x-lines"
    assert head == "number / status"
    assert foot == f"{len(rows)} of {len(rows)} rows"
    expected = database.execute(
        "SELECT upper(number || ' / ' || status) FROM orders"
        " WHERE placed_at >= '2024-07-01Z' AND placed_at < '2024-08-01Z' ORDER BY number"
    ).fetchall()
    assert rows == [row for (row,) in expected]
    assert len(rows) > 100  # several chunks

    wanted = {"artifacts": {"flow_run_id": {"any_": [ending["run"]]}, "type": {"any_": ["progress"]}}}
    (progress,) = prefect.post("/artifacts/filter", json=wanted).raise_for_status().json()
    assert progress["data"] == 100
    assert progress["metadata_"]["file_name"] == "orders_2024-07-01_2024-07-31.lines.txt"


def test_the_options_of_a_new_format_are_validated(export: Any) -> None:
    ending, _ = export(REQUEST | {"lines": {"colour": "red"}})
    assert ending["name"] == "request.invalid"
    assert "/lines: Must be an object with a separator." in ending["message"]


def test_options_of_a_format_that_is_not_requested_are_refused(export: Any) -> None:
    ending, _ = export(REQUEST | {"csv": "excel"})
    assert ending["name"] == "request.invalid"
    assert "/csv" in ending["message"]


def test_csv_stays_the_default_beside_other_formats(export: Any, stack: Stack, s3: Any) -> None:
    ending, _ = export({name: REQUEST[name] for name in ("report", "from", "to", "columns", "sort")})
    assert ending["name"] == "Completed", ending
    stored = s3.get_object(Bucket=stack.bucket, Key=f"{ending['run']}/1.csv")
    assert stored["Body"].read().startswith(b"Number,Status\n")
