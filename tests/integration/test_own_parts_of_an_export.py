"""Test that the real flow and storage work with a custom source and a custom format."""

import json
import subprocess
import sys
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.running_stack import Stack, clean_environment

TIMEOUT_SECONDS = 120
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
        """Run the export and return its final state and standard error output."""
        command = [sys.executable, "-m", "tests.integration.export_with_own_parts", json.dumps(request)]
        environment = {**clean_environment(), **stack.settings}
        completed = subprocess.run(  # noqa: S603 - our own module
            command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True
        )
        return json.loads(completed.stdout.splitlines()[-1]), completed.stderr

    return run


def test_an_export_runs_through_a_new_source_and_format(
    export: Any, stack: Stack, s3: Any, prefect: httpx.Client, database: psycopg.Connection
) -> None:
    result, errors = export(REQUEST)
    assert result["name"] == "Completed", result
    assert "closed" in errors

    stored = s3.get_object(Bucket=stack.bucket, Key=f"{result['run']}/1.lines.txt")
    head, *rows, foot = stored["Body"].read().decode().splitlines()
    assert stored["ContentType"] == "text/x-lines"
    assert head == "number / status"
    assert foot == f"{len(rows)} of {len(rows)} rows"
    expected = database.execute(
        "SELECT upper(number || ' / ' || status) FROM orders"
        " WHERE placed_at >= '2024-07-01Z' AND placed_at < '2024-08-01Z' ORDER BY number"
    ).fetchall()
    assert rows == [row for (row,) in expected]
    assert len(rows) > 100  # The rows span several chunks.

    artifact_filter = {
        "artifacts": {"flow_run_id": {"any_": [result["run"]]}, "type": {"any_": ["progress"]}}
    }
    (progress,) = prefect.post("/artifacts/filter", json=artifact_filter).raise_for_status().json()
    assert progress["data"] == 100
    assert progress["metadata_"]["file_name"] == "orders_2024-07-01_2024-07-31.lines.txt"


def test_the_options_of_a_new_format_are_validated(export: Any) -> None:
    result, _ = export(REQUEST | {"lines": {"colour": "red"}})
    assert result["name"] == "Failed"
    assert result["message"].startswith("request.invalid: ")
    assert "/lines: Must be an object with a separator." in result["message"]


def test_options_of_another_format_are_rejected(export: Any) -> None:
    result, _ = export(REQUEST | {"csv": "excel"})
    assert result["name"] == "Failed"
    assert result["message"].startswith("request.invalid: ")
    assert "/csv" in result["message"]


def test_csv_stays_the_default_next_to_other_formats(export: Any, stack: Stack, s3: Any) -> None:
    result, _ = export({name: REQUEST[name] for name in ("report", "from", "to", "columns", "sort")})
    assert result["name"] == "Completed", result
    stored = s3.get_object(Bucket=stack.bucket, Key=f"{result['run']}/1.csv")
    assert stored["Body"].read().startswith(b"Number,Status\n")
