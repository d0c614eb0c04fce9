"""Test the pages of `GET /exports?status=` with runs that ended without a file in different ways."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.dialects import postgresql

from api.access.caller import Caller
from api.exports.list_query import ExportFilter, Position, run_filters
from deployments.stack.parts import prefect_index
from tests.support.clock import NOON
from tests.support.prefect_tables import prefects_tables
from tests.support.running_stack import Stack

TAG_SECONDS = 60
NO_ROWS = "There were no rows, so no file was created."
# The state and the tags of a run, and the status of its export.
ENDINGS: tuple[tuple[dict[str, str], list[str], str], ...] = (
    ({"type": "FAILED", "message": "source.unavailable: Unavailable."}, ["code:source.unavailable"], "error"),
    ({"type": "CANCELLED"}, [], "cancelled"),
    ({"type": "COMPLETED", "message": f"rows.none: {NO_ROWS}"}, ["code:rows.none"], "cancelled"),
    # An earlier version set no tag.
    ({"type": "COMPLETED", "name": "NoRows", "message": NO_ROWS}, [], "cancelled"),
    # The run could not set its tag, so that the follow-up does it.
    ({"type": "COMPLETED", "message": f"rows.none: {NO_ROWS}"}, ["follow-up"], "cancelled"),
)
ROUNDS = 3


@pytest.fixture(scope="module")
def schedule(prefect: httpx.Client) -> Iterator[str]:
    """Create runs with all endings, and return the id of their schedule, which does not exist."""
    flow_id = prefect.get("/deployments/name/export-report/export").raise_for_status().json()["flow_id"]
    schedule_id, run_ids = str(uuid4()), []
    for _ in range(ROUNDS):
        for state, tags, status in ENDINGS:
            body = {
                "flow_id": flow_id,
                "state": state,
                "tags": [f"schedule:{schedule_id}", *tags],
                "parameters": {"request": {"report": "orders", "name": status}},
            }
            run_ids.append(prefect.post("/flow_runs/", json=body).raise_for_status().json()["id"])
    yield schedule_id
    for run_id in run_ids:
        prefect.delete(f"/flow_runs/{run_id}").raise_for_status()


def read_pages(api: httpx.Client, **query: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.get("/exports", params={"limit": "2", **query, **cursor}).raise_for_status().json()
        items += page["items"]
        if page["nextCursor"] is None:
            return items
        cursor = {"cursor": page["nextCursor"]}


@pytest.mark.parametrize("status", ["error", "cancelled"])
def test_the_pages_of_a_status_contain_all_its_exports_newest_first(
    api: httpx.Client, prefect: httpx.Client, schedule: str, status: str
) -> None:
    untagged = {"flow_runs": {"tags": {"all_": [f"schedule:{schedule}", "follow-up"]}}}
    deadline = time.monotonic() + TAG_SECONDS
    while prefect.post("/flow_runs/count", json=untagged).raise_for_status().json():
        assert time.monotonic() < deadline, "the follow-up did not set the tags"
        time.sleep(0.1)
    everything = read_pages(api, scheduleId=schedule)
    expected = [item for item in everything if item["status"] == status]
    assert len(everything) == ROUNDS * len(ENDINGS)
    assert [item["name"] for item in everything] == [ending[2] for ending in ENDINGS][::-1] * ROUNDS
    assert read_pages(api, scheduleId=schedule, status=status) == expected


def test_a_planned_run_is_listed_when_prefect_may_start_it(api: httpx.Client, prefect: httpx.Client) -> None:
    deployment = prefect.get("/deployments/name/export-report/export").raise_for_status().json()
    schedule_id, run_ids = str(uuid4()), {}
    for name, seconds in (("now", 0.9), ("later", 60)):
        planned_at = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        body = {
            "flow_id": deployment["flow_id"],
            "state": {"type": "SCHEDULED", "state_details": {"scheduled_time": planned_at}},
            "tags": [f"schedule:{schedule_id}"],
            "parameters": {"request": {"report": "orders", "name": name}},
        }
        run_ids[name] = prefect.post("/flow_runs/", json=body).raise_for_status().json()["id"]
    listed = read_pages(api, scheduleId=schedule_id)
    for run_id in run_ids.values():
        prefect.delete(f"/flow_runs/{run_id}").raise_for_status()
    assert [item["id"] for item in listed] == [run_ids["now"]]


def test_a_list_of_expired_exports_uses_its_partial_index(stack: Stack) -> None:
    from prefect.server.schemas.filters import FlowRunFilter  # imported here because it takes seconds

    (selected,) = run_filters(ExportFilter(Caller("ada"), "expired"), Position(NOON))
    selected.expected_start_time = None  # SQLAlchemy cannot write it as a literal
    condition = FlowRunFilter.model_validate(selected.model_dump(mode="json")).as_sql_filter()
    sql = condition.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    with prefects_tables(stack) as database:
        database.execute("CREATE TEMPORARY TABLE flow_run (LIKE public.flow_run)")
        database.execute(f"CREATE INDEX {prefect_index.EXPIRED}")
        database.execute("SET enable_seqscan = off")
        query = f"SELECT * FROM flow_run WHERE {sql} ORDER BY expected_start_time DESC LIMIT 21"  # noqa: S608
        plan = str(database.execute(f"EXPLAIN {query}").fetchall())
    assert "report_exports_flow_run_expired" in plan
