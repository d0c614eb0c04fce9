import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from api.access.caller import Caller
from api.exports import list_query
from api.exports.list_query import ExportFilter, ExportListQuery, Position, Search
from api.web.validation import validated
from flows.errors import InvalidRequest
from flows.reports import catalog
from flows.runs.receipt import RunProgress
from tests.support.clock import NOON
from tests.support.prefect_job import JOB_ID, RECEIPT, WHOLE, job

REPORTS = catalog(("flows.samples",))
ADA = Caller("ada")
ONE, TWO = UUID(int=1), UUID(int=2)


def cursor(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def read(**query: str) -> ExportListQuery:
    return validated(ExportListQuery, query, reports=REPORTS)


def test_without_parameters_the_list_is_not_filtered() -> None:
    query = read()
    assert (query.limit, query.cursor, query.filter(ADA)) == (20, None, ExportFilter(ADA))


def test_each_parameter_filters_the_list() -> None:
    query = read(status="done", report="orders", scheduleId=str(ONE).upper(), limit="100")
    assert (query.limit, query.filter(ADA)) == (100, ExportFilter(ADA, "done", "orders", str(ONE)))


@pytest.mark.parametrize(
    ("text", "is_found"),
    [("MONDAY", True), ("straße", True), ("orders-monday", True), (JOB_ID[:8], True), ("order", True),
     ("tuesday", False)],
)  # fmt: skip
def test_a_search_compares_name_report_file_and_id_in_any_case(text: str, is_found: bool) -> None:
    receipt = replace(RECEIPT, name="orders-monday.csv")
    request = {"report": "orders", "name": "Monday STRASSE"}
    progress = RunProgress(100, receipt=receipt)
    assert Search(text).matches(job("COMPLETED", progress, request=request, report="orders")) is is_found


def test_a_search_finds_exports_by_the_titles_of_their_report_and_schedule() -> None:
    export = job("COMPLETED", WHOLE, report="orders", tags=frozenset({"schedule:7"}))
    assert Search("x", reports=frozenset({"orders"})).matches(export)
    assert Search("x", schedule_ids=frozenset({"7"})).matches(export)
    assert not Search("x", frozenset({"customers"}), frozenset({"8"})).matches(export)


def test_a_cursor_leads_back_to_its_position() -> None:
    position = Position(NOON).after(NOON - timedelta(seconds=1), ONE).after(NOON - timedelta(seconds=1), TWO)
    assert read(cursor=list_query.encode(position)).cursor == Position(
        NOON - timedelta(seconds=1), (ONE, TWO)
    )


def test_a_position_remembers_the_runs_of_its_timestamp() -> None:
    position = Position(NOON).after(NOON, ONE).after(NOON, TWO)
    assert position.seen == (ONE, TWO)
    assert position.after(NOON - timedelta(microseconds=1), ONE).seen == (ONE,)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "in-progress"),
        ("report", "nothing"),
        ("scheduleId", "7"),
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "ten"),
        ("cursor", "%"),
        ("cursor", "bm9wZQ"),
        ("scheduleId", ""),
        ("scheduleId", f"{{{ONE}}}"),
        ("scheduleId", f"urn:uuid:{ONE}"),
        ("scheduleId", ONE.hex),
        ("limit", ""),
        ("limit", "-1"),
        ("limit", "1.5"),
        ("limit", "\u0665"),
        ("limit", "9" * 5000),
        ("cursor", ""),
        ("cursor", "\u00f6"),
        ("cursor", cursor({})),
        ("cursor", cursor([])),
        ("cursor", cursor(1)),
        ("cursor", cursor(["now"])),
        ("cursor", cursor([7])),
        ("cursor", cursor([["2024-07-19T12:00:00+00:00"]])),
        ("cursor", cursor(["2024-07-19T12:00:00"])),  # The timestamp has no offset.
        # In UTC, these timestamps are outside the range of datetime.
        ("cursor", cursor(["0001-01-01T00:00:00+23:59"])),
        ("cursor", cursor(["9999-12-31T23:59:59-23:59"])),
        ("cursor", cursor(["2024-07-19T12:00:00+00:00", "7"])),
        ("cursor", cursor(["2024-07-19T12:00:00+00:00", 7])),
        ("cursor", base64.urlsafe_b64encode(b"[" * 5000).decode()),
        ("\0", "1"),
        ("page", "2"),
        ("search", "x" * 201),
    ],
)
def test_an_invalid_value_is_rejected_by_name(name: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read(**{name: value})
    assert [error.pointer for error in raised.value.errors] == [f"/{name}"]


def test_all_errors_are_reported_at_once() -> None:
    with pytest.raises(InvalidRequest) as raised:
        read(status="in-progress", report="nothing", limit="0", cursor="%", colour="red")
    assert {error.pointer for error in raised.value.errors} == {
        *("/status", "/report", "/limit", "/cursor", "/colour"),
    }
