import base64
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from api.access.caller import Caller
from api.exports import list_query
from api.exports.list_query import Place
from flows.errors import InvalidRequest
from flows.reports import catalog
from tests.support.clock import NOON

REPORTS = catalog()
ADA = Caller("ada")
ONE, TWO = UUID(int=1), UUID(int=2)


def cursor(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def test_without_parameters_the_list_begins_with_the_newest_job_of_now() -> None:
    asked = list_query.parse([], REPORTS, ADA, NOON)
    assert (asked.limit, asked.place, asked.wanted) == (20, Place(NOON), list_query.Wanted(ADA))


def test_each_parameter_narrows_the_list() -> None:
    given = [("status", "done"), ("report", "orders"), ("scheduleId", str(ONE)), ("limit", "100")]
    asked = list_query.parse(given, REPORTS, ADA, NOON)
    assert (asked.limit, asked.wanted) == (100, list_query.Wanted(ADA, "done", "orders", str(ONE)))


def test_a_cursor_leads_back_to_its_place() -> None:
    place = Place(NOON).after(NOON - timedelta(seconds=1), ONE).after(NOON - timedelta(seconds=1), TWO)
    asked = list_query.parse([("cursor", list_query.encode(place))], REPORTS, ADA, NOON)
    assert asked.place == Place(NOON - timedelta(seconds=1), (ONE, TWO))


def test_runs_of_one_moment_are_remembered_until_the_next_moment() -> None:
    place = Place(NOON).after(NOON, ONE).after(NOON, TWO)
    assert place.seen == (ONE, TWO)
    assert place.after(NOON - timedelta(microseconds=1), ONE).seen == (ONE,)


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
        ("cursor", cursor(["2024-07-19T12:00:00"])),  # without a zone
        ("cursor", cursor(["0001-01-01T00:00:00+23:59"])),  # before the first moment there is
        ("cursor", cursor(["9999-12-31T23:59:59-23:59"])),
        ("cursor", cursor(["2024-07-19T12:00:00+00:00", "7"])),
        ("cursor", cursor(["2024-07-19T12:00:00+00:00", 7])),
        ("cursor", base64.urlsafe_b64encode(b"[" * 5000).decode()),
        ("\0", "1"),
        ("page", "2"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        list_query.parse([(name, value)], REPORTS, ADA, NOON)
    assert [error.pointer for error in refused.value.errors] == [f"/{name}"]


def test_a_parameter_that_is_given_twice_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        list_query.parse([("limit", "5"), ("limit", "6")], REPORTS, ADA, NOON)
