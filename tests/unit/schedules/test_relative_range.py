"""Which days a run covers: every preset, on ordinary days and on both days on which clocks change."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from api.schedules import timetable
from flows.errors import InvalidRequest
from flows.query import date_range
from flows.schedules.parameters import ScheduleParameters, parse_schedule_parameters, request_for_run
from flows.schedules.recurrence import Recurrence
from flows.schedules.relative_range import (
    PRESETS,
    Absolute,
    Relative,
    SinceLast,
    as_body,
    parse_range,
    resolve,
)

UTC_ZONE, BERLIN, NEW_YORK, KIRITIMATI = map(
    ZoneInfo, ("UTC", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati")
)
MADE = datetime(2024, 1, 1, tzinfo=UTC)


def covered(preset: str, planned: datetime, zone: ZoneInfo) -> tuple[str, str]:
    found = resolve(Relative(preset), planned, zone, zone, MADE)
    return found["from"], found["to"]


@pytest.mark.parametrize(
    ("preset", "first", "last"),
    [
        ("today", "2024-07-19", "2024-07-19"),
        ("yesterday", "2024-07-18", "2024-07-18"),
        ("last-7-days", "2024-07-12", "2024-07-18"),
        ("last-30-days", "2024-06-19", "2024-07-18"),
        ("last-90-days", "2024-04-20", "2024-07-18"),
        ("week-to-date", "2024-07-15", "2024-07-19"),
        ("previous-week", "2024-07-08", "2024-07-14"),
        ("month-to-date", "2024-07-01", "2024-07-19"),
        ("previous-month", "2024-06-01", "2024-06-30"),
        ("year-to-date", "2024-01-01", "2024-07-19"),
    ],
)
def test_each_preset_on_a_friday_in_july(preset: str, first: str, last: str) -> None:
    assert covered(preset, datetime(2024, 7, 19, 9, tzinfo=BERLIN), BERLIN) == (first, last)


def test_no_preset_is_without_its_row() -> None:
    table = test_each_preset_on_a_friday_in_july.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {row[0] for row in table} == set(PRESETS)


@pytest.mark.parametrize(
    ("preset", "planned", "first", "last"),
    [
        ("previous-week", datetime(2024, 7, 15, 0, tzinfo=BERLIN), "2024-07-08", "2024-07-14"),
        ("previous-week", datetime(2024, 7, 14, 23, 59, tzinfo=BERLIN), "2024-07-01", "2024-07-07"),
        ("previous-week", datetime(2025, 1, 1, tzinfo=BERLIN), "2024-12-23", "2024-12-29"),
        ("previous-month", datetime(2024, 3, 31, tzinfo=BERLIN), "2024-02-01", "2024-02-29"),
        ("previous-month", datetime(2023, 3, 31, tzinfo=BERLIN), "2023-02-01", "2023-02-28"),
        ("previous-month", datetime(2025, 1, 1, tzinfo=BERLIN), "2024-12-01", "2024-12-31"),
        ("month-to-date", datetime(2024, 2, 1, tzinfo=BERLIN), "2024-02-01", "2024-02-01"),
        ("yesterday", datetime(2025, 1, 1, tzinfo=BERLIN), "2024-12-31", "2024-12-31"),
        ("year-to-date", datetime(2025, 1, 1, tzinfo=BERLIN), "2025-01-01", "2025-01-01"),
    ],
)
def test_the_edges_of_weeks_months_and_years(preset: str, planned: datetime, first: str, last: str) -> None:
    assert covered(preset, planned, BERLIN) == (first, last)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (BERLIN, datetime(2024, 3, 31, tzinfo=UTC), 23),
        (BERLIN, datetime(2024, 10, 27, tzinfo=UTC), 25),
        (NEW_YORK, datetime(2024, 3, 10, tzinfo=UTC), 23),
        (NEW_YORK, datetime(2024, 11, 3, tzinfo=UTC), 25),
    ],
    ids=["Berlin, forward", "Berlin, back", "New York, forward", "New York, back"],
)
def test_every_moment_of_a_day_on_which_clocks_change_covers_the_same_days(
    zone: ZoneInfo, day: datetime, hours: int
) -> None:
    begins = day.replace(tzinfo=zone).astimezone(UTC)
    tomorrow = begins + timedelta(hours=hours)
    moments = [begins + timedelta(minutes=5 * n) for n in range(hours * 12)]
    yesterday = (day - timedelta(days=1)).date().isoformat()
    assert {covered("yesterday", moment, zone) for moment in moments} == {(yesterday, yesterday)}
    today = day.date().isoformat()
    assert {covered("yesterday", tomorrow + timedelta(minutes=5 * n), zone) for n in range(24 * 12)} == {
        (today, today)
    }
    one_day = date_range.resolve(day.date(), day.date(), zone)
    assert (one_day.start, one_day.end) == (begins, tomorrow)


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, KIRITIMATI])
def test_daily_runs_over_a_year_cover_each_day_once(zone: ZoneInfo) -> None:
    planned = [
        (datetime(2024, 1, 2, tzinfo=UTC) + timedelta(days=n)).replace(hour=6, tzinfo=zone).astimezone(UTC)
        for n in range(366)
    ]
    days = [covered("yesterday", each, zone)[0] for each in planned]
    assert days == [
        (datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=n)).date().isoformat() for n in range(366)
    ]


def test_the_day_is_that_of_the_schedules_zone() -> None:
    planned = datetime(2024, 7, 19, 11, tzinfo=UTC)
    assert covered("today", planned, KIRITIMATI) == ("2024-07-20", "2024-07-20")
    assert covered("today", planned, UTC_ZONE) == ("2024-07-19", "2024-07-19")


def test_days_of_one_zone_are_moments_for_a_request_that_is_read_in_another() -> None:
    found = resolve(Relative("yesterday"), datetime(2024, 7, 19, 9, tzinfo=BERLIN), BERLIN, UTC_ZONE, MADE)
    assert found == {"from": "2024-07-17T22:00:00Z", "to": "2024-07-18T22:00:00Z"}


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Africa/Cairo", datetime(2026, 4, 24, tzinfo=UTC)),
        ("America/Santiago", datetime(2026, 9, 6, tzinfo=UTC)),
        ("America/Havana", datetime(2026, 3, 8, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize(
    ("cron", "covers_from"),
    [("0 0 * * *", -3), ("30 0 * * *", -3), ("0 23 * * *", -4), ("30 1 * * *", -3)],
)
def test_where_clocks_leave_midnight_out_daily_runs_cover_each_day_once(
    zone: str, day: datetime, cron: str, covers_from: int
) -> None:
    recurrence = Recurrence("cron", cron, ZoneInfo(zone))
    asked = ScheduleParameters(
        Relative("yesterday"), zone=recurrence.zone, at_midnight=timetable.at_midnight(recurrence)
    )
    begin = (day - timedelta(days=2)).replace(tzinfo=recurrence.zone) - timedelta(hours=2)
    planned = timetable.next_slots(timetable.as_schedule(recurrence), begin, 5)
    days = [request_for_run({}, asked, slot, None)["from"] for slot in planned]
    assert days == [(day + timedelta(days=n + covers_from)).date().isoformat() for n in range(5)]


def test_since_last_reaches_from_where_the_last_one_ended_to_the_planned_time() -> None:
    last, planned = datetime(2024, 7, 18, 9, tzinfo=BERLIN), datetime(2024, 7, 19, 9, tzinfo=BERLIN)
    found = resolve(SinceLast(), planned, BERLIN, BERLIN, last)
    assert found == {"from": "2024-07-18T07:00:00Z", "to": "2024-07-19T07:00:00Z"}


def test_the_first_run_since_last_begins_when_the_recurring_export_was_made() -> None:
    asked = ScheduleParameters(SinceLast(), zone=BERLIN, since=MADE)
    found = request_for_run({"report": "orders"}, asked, datetime(2024, 1, 2, tzinfo=UTC), None)
    assert (found["from"], found["to"]) == ("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z")


def test_a_request_that_has_its_days_keeps_them() -> None:
    request = {"report": "orders", "from": "2024-07-01", "to": "2024-07-02"}
    asked = ScheduleParameters(Relative("yesterday"), zone=BERLIN)
    assert request_for_run(request, asked, datetime(2025, 1, 1, tzinfo=UTC), None) == request


def test_days_are_read_in_the_schedules_zone_unless_the_request_names_one() -> None:
    asked, planned = (
        ScheduleParameters(Relative("yesterday"), zone=BERLIN),
        datetime(2024, 7, 19, 9, tzinfo=BERLIN),
    )
    assert request_for_run({}, asked, planned, None) == {
        "timeZone": "Europe/Berlin",
        "from": "2024-07-18",
        "to": "2024-07-18",
    }
    assert request_for_run({"timeZone": "UTC"}, asked, planned, None)["from"] == "2024-07-17T22:00:00Z"


def test_a_report_without_days_is_asked_as_it_is() -> None:
    asked = ScheduleParameters(None, zone=BERLIN)
    assert request_for_run({"report": "customers"}, asked, MADE, None) == {
        "report": "customers",
        "timeZone": "Europe/Berlin",
    }


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "relative", "preset": "previous-week"},
        {"kind": "absolute", "from": "2024-7-1", "to": "2024-07-31"},
        {"kind": "since-last"},
    ],
)
def test_a_range_is_written_as_it_was_read(body: dict[str, str]) -> None:
    assert as_body(parse_range(body)) == body


def test_an_absolute_range_is_the_same_in_every_run() -> None:
    asked = Absolute("2024-7-1", "2024-7-31")
    assert resolve(asked, MADE, BERLIN, UTC_ZONE, MADE) == {"from": "2024-7-1", "to": "2024-7-31"}


@pytest.mark.parametrize(
    ("value", "pointer", "code"),
    [
        ("yesterday", "/range", "type"),
        ([], "/range", "type"),
        ({}, "/range/kind", "missing"),
        ({"kind": "sometimes"}, "/range/kind", "invalid"),
        ({"kind": ["relative"]}, "/range/kind", "invalid"),
        ({"kind": {}}, "/range/kind", "invalid"),
        ({"kind": "relative"}, "/range/preset", "missing"),
        ({"kind": "relative", "preset": "last-8-days"}, "/range/preset", "invalid"),
        ({"kind": "relative", "preset": ["today"]}, "/range/preset", "invalid"),
        ({"kind": "relative", "preset": "today", "from": "2024-1-1"}, "/range/from", "unknown"),
        ({"kind": "since-last", "a/b~c": 1}, "/range/a~1b~0c", "unknown"),
        ({"kind": "absolute", "from": "2024-1-1"}, "/range/to", "missing"),
        ({"kind": "absolute", "from": "2024-2-30", "to": "2024-3-1"}, "/range/from", "invalid"),
        ({"kind": "absolute", "from": "2024-2-1", "to": 7}, "/range/to", "invalid"),
    ],
)
def test_a_wrong_range_is_refused_at_its_place(value: Any, pointer: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_range(value)
    assert [(each.pointer, each.code) for each in refused.value.errors] == [(pointer, code)]


def test_the_flows_parameter_is_read_as_it_was_written() -> None:
    asked = ScheduleParameters(Relative("today"), True, BERLIN, MADE)
    assert parse_schedule_parameters(asked.as_parameter()) == asked


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ([], "/recurring"),
        ({"when": "now"}, "/recurring/when"),
        ({"onlyIfRows": "yes"}, "/recurring/onlyIfRows"),
        ({"timeZone": "Mars/Olympus"}, "/recurring/timeZone"),
        ({"since": "2024-07-19"}, "/recurring/since"),
        ({"since": "long ago"}, "/recurring/since"),
        ({"range": {"kind": "relative"}}, "/recurring/range/preset"),
    ],
)
def test_a_parameter_that_was_written_by_hand_wrongly_is_refused(value: Any, pointer: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_schedule_parameters(value)
    assert [each.pointer for each in refused.value.errors] == [pointer]
