"""Test the dates that a run covers, for every preset and around clock changes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from api.schedules import timetable
from flows.errors import InvalidRequest
from flows.query import date_range
from flows.schedules.parameters import ScheduleParameters, parse_schedule_parameters, request_for_run
from flows.schedules.range_model import parse_range
from flows.schedules.recurrence import Recurrence
from flows.schedules.relative_range import (
    PRESETS,
    Absolute,
    Relative,
    SinceLast,
    as_body,
    resolve,
)

UTC_ZONE, BERLIN, NEW_YORK, KIRITIMATI = map(
    ZoneInfo, ("UTC", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati")
)
CREATED = datetime(2024, 1, 1, tzinfo=UTC)


def covered_dates(preset: str, scheduled_at: datetime, zone: ZoneInfo) -> tuple[str, str]:
    dates = resolve(Relative(preset), scheduled_at, zone, zone, CREATED)
    return dates["from"], dates["to"]


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
def test_preset_on_a_friday_in_july(preset: str, first: str, last: str) -> None:
    assert covered_dates(preset, datetime(2024, 7, 19, 9, tzinfo=BERLIN), BERLIN) == (first, last)


def test_every_preset_is_tested() -> None:
    table = test_preset_on_a_friday_in_july.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {row[0] for row in table} == set(PRESETS)


@pytest.mark.parametrize(
    ("preset", "scheduled_at", "first", "last"),
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
def test_presets_at_the_edges_of_weeks_months_and_years(
    preset: str, scheduled_at: datetime, first: str, last: str
) -> None:
    assert covered_dates(preset, scheduled_at, BERLIN) == (first, last)


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
def test_all_times_on_a_day_of_a_clock_change_cover_the_same_dates(
    zone: ZoneInfo, day: datetime, hours: int
) -> None:
    begins = day.replace(tzinfo=zone).astimezone(UTC)
    tomorrow = begins + timedelta(hours=hours)
    times = [begins + timedelta(minutes=5 * n) for n in range(hours * 12)]
    yesterday = (day - timedelta(days=1)).date().isoformat()
    assert {covered_dates("yesterday", time, zone) for time in times} == {(yesterday, yesterday)}
    today = day.date().isoformat()
    assert {
        covered_dates("yesterday", tomorrow + timedelta(minutes=5 * n), zone) for n in range(24 * 12)
    } == {(today, today)}
    one_day = date_range.resolve(day.date(), day.date(), zone)
    assert (one_day.start, one_day.end) == (begins, tomorrow)


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, KIRITIMATI])
def test_daily_runs_over_a_year_cover_each_day_once(zone: ZoneInfo) -> None:
    scheduled_at = [
        (datetime(2024, 1, 2, tzinfo=UTC) + timedelta(days=n)).replace(hour=6, tzinfo=zone).astimezone(UTC)
        for n in range(366)
    ]
    days = [covered_dates("yesterday", time, zone)[0] for time in scheduled_at]
    assert days == [
        (datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=n)).date().isoformat() for n in range(366)
    ]


def test_the_date_is_in_the_schedules_time_zone() -> None:
    scheduled_at = datetime(2024, 7, 19, 11, tzinfo=UTC)
    assert covered_dates("today", scheduled_at, KIRITIMATI) == ("2024-07-20", "2024-07-20")
    assert covered_dates("today", scheduled_at, UTC_ZONE) == ("2024-07-19", "2024-07-19")


def test_dates_become_timestamps_if_the_request_has_another_time_zone() -> None:
    dates = resolve(Relative("yesterday"), datetime(2024, 7, 19, 9, tzinfo=BERLIN), BERLIN, UTC_ZONE, CREATED)
    assert dates == {"from": "2024-07-17T22:00:00Z", "to": "2024-07-18T22:00:00Z"}


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
def test_daily_runs_cover_each_day_once_where_midnight_is_skipped(
    zone: str, day: datetime, cron: str, covers_from: int
) -> None:
    recurrence = Recurrence("cron", cron, ZoneInfo(zone))
    parameters = ScheduleParameters(
        Relative("yesterday"), zone=recurrence.zone, at_midnight=timetable.at_midnight(recurrence)
    )
    begin = (day - timedelta(days=2)).replace(tzinfo=recurrence.zone) - timedelta(hours=2)
    scheduled_at = timetable.next_slots(timetable.as_schedule(recurrence), begin, 5)
    days = [request_for_run({}, parameters, slot, None)["from"] for slot in scheduled_at]
    assert days == [(day + timedelta(days=n + covers_from)).date().isoformat() for n in range(5)]


def test_since_last_covers_the_time_since_the_last_run() -> None:
    last, scheduled_at = datetime(2024, 7, 18, 9, tzinfo=BERLIN), datetime(2024, 7, 19, 9, tzinfo=BERLIN)
    dates = resolve(SinceLast(), scheduled_at, BERLIN, BERLIN, last)
    assert dates == {"from": "2024-07-18T07:00:00Z", "to": "2024-07-19T07:00:00Z"}


def test_the_first_since_last_run_starts_when_the_schedule_was_created() -> None:
    parameters = ScheduleParameters(SinceLast(), zone=BERLIN, since=CREATED)
    request = request_for_run({"report": "orders"}, parameters, datetime(2024, 1, 2, tzinfo=UTC), None)
    assert (request["from"], request["to"]) == ("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z")


def test_a_request_with_dates_keeps_them() -> None:
    request = {"report": "orders", "from": "2024-07-01", "to": "2024-07-02"}
    parameters = ScheduleParameters(Relative("yesterday"), zone=BERLIN)
    assert request_for_run(request, parameters, datetime(2025, 1, 1, tzinfo=UTC), None) == request


def test_dates_use_the_schedules_time_zone_unless_the_request_has_one() -> None:
    parameters = ScheduleParameters(Relative("yesterday"), zone=BERLIN)
    scheduled_at = datetime(2024, 7, 19, 9, tzinfo=BERLIN)
    assert request_for_run({}, parameters, scheduled_at, None) == {
        "timeZone": "Europe/Berlin",
        "from": "2024-07-18",
        "to": "2024-07-18",
    }
    request = request_for_run({"timeZone": "UTC"}, parameters, scheduled_at, None)
    assert request["from"] == "2024-07-17T22:00:00Z"


def test_a_report_without_dates_stays_without_dates() -> None:
    parameters = ScheduleParameters(None, zone=BERLIN)
    assert request_for_run({"report": "customers"}, parameters, CREATED, None) == {
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
def test_a_range_can_be_serialized_and_parsed(body: dict[str, str]) -> None:
    assert as_body(parse_range(body)) == body


def test_an_absolute_range_is_the_same_in_every_run() -> None:
    july = Absolute("2024-7-1", "2024-7-31")
    assert resolve(july, CREATED, BERLIN, UTC_ZONE, CREATED) == {"from": "2024-7-1", "to": "2024-7-31"}


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
        ({"kind": "relative", "preset": None}, "/range/preset", "missing"),
        ({"kind": "absolute", "from": "2024-2-30", "to": "2024-3-1"}, "/range/from", "invalid"),
        ({"kind": "absolute", "from": "2024-2-1", "to": 7}, "/range/to", "invalid"),
    ],
)
def test_an_invalid_range_is_rejected_with_its_pointer(value: Any, pointer: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse_range(value)
    assert [(error.pointer, error.code) for error in raised.value.errors] == [(pointer, code)]


def test_schedule_parameters_can_be_serialized_and_parsed() -> None:
    parameters = ScheduleParameters(Relative("today"), True, BERLIN, CREATED)
    assert parse_schedule_parameters(parameters.as_parameter()) == parameters


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
def test_invalid_schedule_parameters_are_rejected(value: Any, pointer: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse_schedule_parameters(value)
    assert [error.pointer for error in raised.value.errors] == [pointer]
