"""Test which recurrences are accepted, and that each slot runs exactly once."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta
from itertools import islice, pairwise, takewhile
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from prefect.client.schemas.schedules import IntervalSchedule

from api.schedules import timetable
from deployments.stack.parts.prefect_server import PLANNED_RUNS
from flows.errors import InvalidRequest
from flows.schedules.parameters import ScheduleParameters, request_for_run
from flows.schedules.recurrence import EARLIEST, LATEST, Recurrence, _calendar_repeats_after
from flows.schedules.recurrence_model import parse_recurrence
from flows.schedules.relative_range import Relative
from tests.support.clock import NOON
from tests.support.guarantee_table import GuaranteeTable

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
CHANGES = [
    pytest.param("Europe/Berlin", datetime(2024, 3, 31, tzinfo=UTC), id="Berlin, forward"),
    pytest.param("Europe/Berlin", datetime(2024, 10, 27, tzinfo=UTC), id="Berlin, back"),
    pytest.param("America/New_York", datetime(2024, 3, 10, tzinfo=UTC), id="New York, forward"),
    pytest.param("America/New_York", datetime(2024, 11, 3, tzinfo=UTC), id="New York, back"),
    # In this zone, the clocks change by half an hour, and daylight saving time begins in October.
    pytest.param("Australia/Lord_Howe", datetime(2024, 4, 7, tzinfo=UTC), id="Lord Howe, back"),
    pytest.param("Australia/Lord_Howe", datetime(2024, 10, 6, tzinfo=UTC), id="Lord Howe, forward"),
]


def read(value: Any) -> Recurrence:
    recurrence = parse_recurrence(value, NOON)
    if recurrence.kind == "cron":
        timetable.check_cron(recurrence)
    return recurrence


def next_slots(value: Any, after: datetime, count: int) -> list[datetime]:
    return timetable.next_slots(timetable.as_schedule(read(value)), after, count)


@pytest.mark.parametrize(
    ("value", "first"),
    [
        ({"cron": "0 9 * * MON"}, datetime(2024, 7, 22, 9, tzinfo=UTC)),
        ({"cron": " 0  9 * * 1 "}, datetime(2024, 7, 22, 9, tzinfo=UTC)),
        ({"cron": "0 9 * * MON", "timeZone": "Europe/Madrid"}, datetime(2024, 7, 22, 7, tzinfo=UTC)),
        ({"cron": "*/15 * * * *", "timeZone": None}, datetime(2024, 7, 19, 12, 15, tzinfo=UTC)),
        ({"cron": "0 0 29 2 *"}, datetime(2028, 2, 29, tzinfo=UTC)),
        ({"rrule": "FREQ=WEEKLY;BYDAY=MO;BYHOUR=9"}, datetime(2024, 7, 22, 9, tzinfo=UTC)),
        ({"rrule": "RRULE:FREQ=DAILY;BYHOUR=9;BYMINUTE=0,15"}, datetime(2024, 7, 20, 9, tzinfo=UTC)),
        (
            {"rrule": "DTSTART:20240801T073000\nRRULE:FREQ=MONTHLY", "timeZone": "Europe/Berlin"},
            datetime(2024, 8, 1, 5, 30, tzinfo=UTC),
        ),
        ({"rrule": "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"}, datetime(2024, 7, 31, tzinfo=UTC)),
        ({"rrule": "FREQ=DAILY;UNTIL=20240801T000000"}, datetime(2024, 7, 20, tzinfo=UTC)),
        ({"rrule": "FREQ=DAILY;UNTIL=20240801T000000Z"}, datetime(2024, 7, 20, tzinfo=UTC)),
        ({"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"}, datetime(2028, 2, 29, tzinfo=UTC)),
        ({"every": "PT15M"}, datetime(2024, 7, 19, 12, 15, tzinfo=UTC)),
        ({"every": "PT36H"}, datetime(2024, 7, 21, 0, tzinfo=UTC)),
        ({"every": "P1D"}, datetime(2024, 7, 20, 12, tzinfo=UTC)),
        ({"every": "P2W"}, datetime(2024, 8, 2, 12, tzinfo=UTC)),
        ({"every": "PT6H", "anchor": "2024-07-19T13:30:00Z"}, datetime(2024, 7, 19, 13, 30, tzinfo=UTC)),
    ],
)
def test_the_first_slot_after_a_friday_noon(value: dict[str, Any], first: datetime) -> None:
    assert next_slots(value, NOON, 1) == [first]


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        (None, "/recurrence"),
        ("0 9 * * MON", "/recurrence"),
        ({}, "/recurrence"),
        ({"timeZone": "Europe/Berlin"}, "/recurrence"),
        ({"cron": "0 9 * * MON", "every": "P1D"}, "/recurrence"),
        ({"cron": "0 9 * * MON", "day_or": False}, "/recurrence/day_or"),
        ({"cron": "0 9 * * MON", "timeZone": "Mars/Olympus"}, "/recurrence/timeZone"),
        ({"cron": "0 9 * * MON", "timeZone": "+02:00"}, "/recurrence/timeZone"),
        ({"cron": "0 9 * * MON", "timeZone": ""}, "/recurrence/timeZone"),
        ({"cron": "0 9 * * MON", "timeZone": {}}, "/recurrence/timeZone"),
        ({"cron": "0 9 * * MON", "anchor": "2024-07-19T13:30:00Z"}, "/recurrence/anchor"),
        *[
            ({"cron": text}, "/recurrence/cron")
            for text in (
                "0 0 9 * * MON",
                "0 0 9 * * MON 2024",
                "0 9 * *",
                "",
                "@reboot",
                "@daily",
                "@every 1h",
                "* * * * *",
                "*/14 * * * *",
                "0,10 9 * * *",
                "55,5 * * * *",
                "60 9 * * *",
                "0 24 * * *",
                "0 0 30 2 *",
                "0 9 * * FUNDAY",
                "H 9 * * *",
                "R 9 * * *",
                "R(0-10) 9 * * *",
                "0 9 * * MON; rm",
                "0 9 * * \u0661",
                "0 " * 300,
                7,
                ["0 9 * * MON"],
            )
        ],
        *[
            ({"rrule": text}, "/recurrence/rrule")
            for text in (
                "",
                "every day",
                "FREQ=SECONDLY",
                "FREQ=MINUTELY;INTERVAL=30",
                "FREQ=HOURLY",
                "FREQ=DAILY;BYSECOND=0,1",
                "FREQ=DAILY;COUNT=3",
                "FREQ=DAILY;INTERVAL=0",
                "FREQ=DAILY;INTERVAL=-1",
                "FREQ=DAILY;BYHOUR=9;BYMINUTE=0,10",
                "FREQ=DAILY;BYHOUR=25",
                "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
                "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
                "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
                "DTSTART:20240301T000000\nRRULE:FREQ=MONTHLY;INTERVAL=12;BYMONTH=2",
                "DTSTART:20910101T000000\nRRULE:FREQ=DAILY",
                "FREQ=DAILY;UNTIL=20230101T000000",
                "FREQ=DAILY;UNTIL=never",
                "FREQ=DAILY;UNTIL=20241301T000000Z",
                "FREQ=DAILY;UNTIL=99991231T235959Z,5",
                "FREQ=DAILY;BYDAY=XX",
                "FREQ=DAILY;FREQ",
                "INTERVAL=2",
                "RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY",
                "RRULE:FREQ=DAILY\nEXDATE:20240101T000000",
                "DTSTART:20240101T000000Z\nRRULE:FREQ=DAILY",
                "DTSTART;TZID=Europe/Berlin:20240101T000000\nRRULE:FREQ=DAILY",
                "DTSTART:19700101T000000\nRRULE:FREQ=DAILY",
                "DTSTART:20241301T000000\nRRULE:FREQ=DAILY",
                "DTSTART:20240101T000000\n",
                "FREQ=DAILY;BYHOUR=" + ",".join(["1"] * 300),
                1,
            )
        ],
        *[
            ({"every": text}, "/recurrence/every")
            for text in (
                "",
                "P",
                "PT",
                "P0D",
                "PT0H",
                "PT14M",
                "PT30S",
                "PT899S",
                "P1M",
                "P1Y",
                "P1DT6H",
                "P1.5D",
                "-P1D",
                "P367D",
                "P9999W",
                "1 day",
                "day",
                3600,
                True,
            )
        ],
        ({"every": "P1D", "anchor": "2024-07-19"}, "/recurrence/anchor"),
        ({"every": "P1D", "anchor": "2024-07-19T10:00:00"}, "/recurrence/anchor"),
        ({"every": "P1D", "anchor": "1970-01-01T00:00:00Z"}, "/recurrence/anchor"),
        ({"every": "P1D", "anchor": 0}, "/recurrence/anchor"),
    ],
)
def test_an_invalid_recurrence_is_rejected_with_its_pointer(value: Any, pointer: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read(value)
    assert [error.pointer for error in raised.value.errors] == [pointer]
    assert all(error.detail.endswith(".") for error in raised.value.errors)


@pytest.mark.parametrize(("zone", "day"), CHANGES)
@pytest.mark.parametrize(
    "recurrence",
    [
        *({"cron": f"{minute} {hour} * * *"} for hour in (0, 1, 2, 3, 9) for minute in (0, 30)),
        {"cron": "0 * * * *"},
        {"cron": "*/15 * * * *"},
        {"rrule": "FREQ=DAILY;BYHOUR=1;BYMINUTE=30"},
        {"rrule": "FREQ=DAILY;BYHOUR=2;BYMINUTE=30"},
        {"every": "P1D", "anchor": "2024-01-01T01:30:00Z"},
        {"every": "P1D", "anchor": "2024-01-01T06:30:00Z"},
        {"every": "P1W", "anchor": "2024-01-07T01:30:00Z"},
        {"every": "PT1H", "anchor": "2024-01-01T00:00:00Z"},
        {"every": "PT15M", "anchor": "2024-01-01T00:00:00Z"},
    ],
    ids=str,
)
def test_slots_around_a_clock_change_do_not_depend_on_when_they_are_computed(
    recurrence: dict[str, str], zone: str, day: datetime
) -> None:
    """If slots depended on when they are computed, a slot could be missed or run twice."""
    schedule = timetable.as_schedule(read({**recurrence, "timeZone": zone}))

    def planned(start: datetime) -> list[datetime]:
        return list(takewhile(lambda slot: slot < end, timetable.planned_from(schedule, start)))

    begin = day.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) - timedelta(hours=3)
    end = begin + timedelta(hours=30)
    all_slots = planned(begin)
    assert len(all_slots) == len(set(all_slots))
    for minutes in range(7, 9 * 60, 20):
        now = begin + timedelta(minutes=minutes)
        slots = planned(now)
        assert [slot for slot in slots if slot > now] == [slot for slot in all_slots if slot > now], now
        assert set(slots) <= set(all_slots), now


@pytest.mark.parametrize(("zone", "day"), CHANGES)
@pytest.mark.parametrize(
    "recurrence",
    [
        {"cron": "30 9 * * *"},
        {"rrule": "FREQ=DAILY;BYHOUR=9;BYMINUTE=30"},
        {"every": "P1D", "anchor": "2024-01-01T09:30:00{offset}"},
    ],
    ids=["cron", "rrule", "every"],
)
def test_a_daily_slot_keeps_its_hour_after_a_clock_change(
    recurrence: dict[str, str], zone: str, day: datetime
) -> None:
    offset = {"Europe/Berlin": "+01:00", "America/New_York": "-05:00", "Australia/Lord_Howe": "+11:00"}[zone]
    fields = {name: text.format(offset=offset) for name, text in recurrence.items()}
    begin = (day - timedelta(days=2)).replace(tzinfo=ZoneInfo(zone))
    slots = next_slots({**fields, "timeZone": zone}, begin, 5)
    local = [slot.astimezone(ZoneInfo(zone)).replace(tzinfo=UTC) for slot in slots]
    assert local == [day + timedelta(days=n - 2, hours=9, minutes=30) for n in range(5)]


DAILY = [
    *({"cron": f"{minute} {hour} * * *"} for hour in (1, 2, 3) for minute in (0, 30)),
    *({"rrule": f"FREQ=DAILY;BYHOUR={hour};BYMINUTE=30"} for hour in (1, 2)),
    *({"every": "P1D", "anchor": f"2024-01-01T{hour}:30:00Z"} for hour in ("00", "01", "06", "07")),
]


def runs_daily(recurrence: dict[str, str], zone: str, day: datetime) -> bool:
    """Return whether the schedule runs exactly once on each of five days. The clocks change on the third."""
    begin = (day - timedelta(days=2)).replace(tzinfo=ZoneInfo(zone))
    slots = next_slots({**recurrence, "timeZone": zone}, begin - timedelta(seconds=1), 5)
    days = [slot.astimezone(ZoneInfo(zone)).date() for slot in slots]
    return days == [(day + timedelta(days=n - 2)).date() for n in range(5)]


def test_a_daily_schedule_runs_once_on_days_of_clock_changes(guarantees: GuaranteeTable) -> None:
    changes = [change.values for change in CHANGES]
    cases = [(recurrence, *change) for recurrence in DAILY for change in changes]
    violations = [case for case in cases if not runs_daily(*case)]
    twice_daily = {"every": "PT12H", "anchor": "2024-01-01T00:00:00Z"}
    guarantees.add(
        "G12: a daily schedule runs once on days of clock changes",
        len(cases),
        len(violations),
        f"{len(DAILY)} schedules, both changes in three time zones",
        "a schedule that runs every twelve hours runs twice",
        not runs_daily(twice_daily, *changes[0]),
    )
    assert violations == []


def planned_by(schedule: timetable.Schedule, run_times: Iterable[datetime], at_least: int) -> list[datetime]:
    """Return the slots that Prefect's scheduler creates if it runs at `run_times`.

    The scheduler plans at least `at_least` runs and covers at least the next hour. It creates each slot only
    once.
    """
    slots: list[datetime] = []
    for now in run_times:
        ahead = timetable.planned_from(schedule, now)
        future = [slot for slot in slots if slot >= now]
        if len(future) < at_least or future[-1] < now + timedelta(hours=1):
            new_slots = list(islice(ahead, at_least))
            new_slots += takewhile(lambda slot: slot < now + timedelta(hours=1), ahead)  # noqa: B023
            slots += [slot for slot in new_slots if slot not in slots]
    return slots


@dataclass(frozen=True)
class Outage:
    """An outage of three slots near a clock change.

    In the worst case, it starts after a slot but before the scheduler runs again.
    """

    schedule: timetable.Schedule
    slots: list[datetime]
    missed: int

    def runs_each_slot_once(self, at_least: int) -> bool:
        expected = self.slots[self.missed : self.missed + 6]
        before, back = expected[0] - timedelta(seconds=1), expected[3] + timedelta(minutes=5)
        slots = [slot for slot in planned_by(self.schedule, [before, back], at_least) if slot > before]
        return slots == sorted(set(slots)) and slots[:6] == expected


def outages(recurrence: dict[str, str], hours_before: int, zone: str, day: datetime) -> list[Outage]:
    schedule = timetable.as_schedule(read({**recurrence, "timeZone": zone}))
    begin = day.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) - timedelta(hours=hours_before)
    slots = timetable.next_slots(schedule, begin, 12)
    return [Outage(schedule, slots, missed) for missed in range(4)]


def test_each_slot_is_scheduled_once_after_an_outage_of_three_slots(guarantees: GuaranteeTable) -> None:
    recurrences = [
        ({"cron": "30 2 * * *"}, 72),
        ({"every": "P1D", "anchor": "2024-01-01T01:30:00Z"}, 72),
        ({"cron": "0 * * * *"}, 2),
    ]
    changes = [change.values for change in CHANGES]
    cases = [
        outage
        for recurrence, hours_before in recurrences
        for change in changes
        for outage in outages(recurrence, hours_before, *change)
    ]
    ahead = int(PLANNED_RUNS["PREFECT_SERVER_SERVICES_SCHEDULER_MIN_RUNS"])
    violations = [outage for outage in cases if not outage.runs_each_slot_once(ahead)]
    guarantees.add(
        "G12: a schedule runs once per slot after an outage",
        len(cases),
        len(violations),
        "outages of three slots near both changes in three time zones, with a fake clock",
        "a scheduler that plans only one run misses slots",
        not all(outage.runs_each_slot_once(1) for outage in cases),
    )
    assert violations == []


@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_an_hourly_interval_is_always_sixty_minutes(zone: str, day: datetime) -> None:
    slots = next_slots({"every": "PT1H", "timeZone": zone}, day.replace(tzinfo=UTC), 30)
    assert {later - earlier for earlier, later in pairwise(slots)} == {timedelta(hours=1)}


@pytest.mark.parametrize(
    "value",
    [
        {"cron": "0 9 * * MON", "timeZone": "Europe/Berlin"},
        {"rrule": "RRULE:FREQ=DAILY;INTERVAL=2", "timeZone": "Europe/Berlin"},
        {"rrule": "DTSTART:20240101T090000\nRRULE:FREQ=DAILY;INTERVAL=2", "timeZone": "Europe/Berlin"},
        {"every": "P2D", "timeZone": "Europe/Berlin", "anchor": "2024-07-19T09:00:00+02:00"},
        {"every": "PT90M", "timeZone": "Europe/Berlin", "anchor": "2024-07-19T09:00:00+00:00"},
    ],
    ids=str,
)
def test_a_recurrence_survives_storage_in_prefect(value: dict[str, str]) -> None:
    parsed = read(value)
    stored = timetable.as_recurrence(timetable.as_schedule(parsed), parsed.kind, parsed.zone.key).as_body()
    assert read(stored) == parsed
    assert set(stored) == set(value)


EVERY_QUARTER_HOUR = f"FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))};BYMINUTE=0,15,30,45"
EVERY_HOUR = f"FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))}"


@pytest.mark.parametrize(
    "rule",
    [
        EVERY_QUARTER_HOUR,
        f"DTSTART:20200101T000000\nRRULE:{EVERY_QUARTER_HOUR}",
        f"DTSTART:20240719T000000\nRRULE:{EVERY_QUARTER_HOUR}",
        EVERY_HOUR,
        f"DTSTART:20890101T000000\nRRULE:{EVERY_QUARTER_HOUR};UNTIL=20891231T000000",
    ],
)
def test_a_rule_with_too_many_slots_is_refused(rule: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read({"rrule": rule, "timeZone": "America/Scoresbysund"})
    assert [error.pointer for error in refused.value.errors] == ["/recurrence/rrule"]


@pytest.mark.parametrize(
    "rule",
    [
        f"DTSTART:20240101T000000\nRRULE:{EVERY_HOUR}",
        "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9,10,11,12,13,14,15,16",
    ],
)
def test_a_dense_rule_is_accepted_up_to_the_limit(rule: str) -> None:
    assert read({"rrule": rule}).kind == "rrule"


def test_an_expired_rule_has_no_slots() -> None:
    assert (
        next_slots({"rrule": "FREQ=DAILY;UNTIL=20240801T000000"}, datetime(2024, 9, 1, tzinfo=UTC), 3) == []
    )


@pytest.mark.parametrize("year", range(EARLIEST.year, LATEST.year + 1))
def test_the_shifted_calendar_equals_the_original(year: int) -> None:
    last = datetime(year + 5, 12, 31, tzinfo=UTC)
    later = _calendar_repeats_after(year, last)
    assert (last + later).year > MAXYEAR - 28
    for day in (date(year, 1, 1) + timedelta(days) for days in range(6 * 365)):
        shifted = day + later
        assert (shifted.month, shifted.day, shifted.weekday()) == (day.month, day.day, day.weekday())


@pytest.mark.parametrize("seconds", [1, 90, 3_600, 86_401])
def test_an_interval_edited_in_prefect_is_kept(seconds: int) -> None:
    edited = IntervalSchedule(interval=timedelta(seconds=seconds), anchor_date=NOON, timezone="UTC")
    assert timetable.as_schedule(timetable.as_recurrence(edited, None)) == edited


@pytest.mark.parametrize(("until", "runs"), [("20240721T065959Z", 1), ("20240721T070000Z", 2)])
def test_an_end_in_utc_is_the_same_instant_in_the_schedules_zone(until: str, runs: int) -> None:
    rule = {"rrule": f"FREQ=DAILY;BYHOUR=9;BYMINUTE=0;UNTIL={until}", "timeZone": "Europe/Madrid"}
    slots = [datetime(2024, 7, 20, 7, tzinfo=UTC), datetime(2024, 7, 21, 7, tzinfo=UTC)]
    assert next_slots(rule, NOON, 5) == slots[:runs]
    recurrence = read(rule)
    assert read(recurrence.as_body()) == recurrence


@pytest.mark.parametrize("zone", ["Africa/Cairo", "America/Santiago"])
@pytest.mark.parametrize(
    "recurrence",
    [
        {"cron": "0 0 * * *"},
        {"cron": "30 0 * * *"},
        {"rrule": "FREQ=DAILY;BYHOUR=0;BYMINUTE=0"},
        {"rrule": "FREQ=DAILY;BYHOUR=0;BYMINUTE=30"},
        {"every": "P1D", "anchor": "2024-01-01T00:00:00Z"},
    ],
)
def test_no_run_of_yesterday_starts_before_yesterday_is_over(zone: str, recurrence: dict[str, str]) -> None:
    day = date(2027, 4, 30) if zone == "Africa/Cairo" else date(2027, 9, 5)
    recurrence = {**recurrence, "timeZone": zone}
    if "anchor" in recurrence:
        recurrence["anchor"] = datetime(2024, 1, 1, tzinfo=ZoneInfo(zone)).isoformat()
    parsed = read(recurrence)
    parameters = ScheduleParameters(
        Relative("yesterday"), zone=parsed.zone, at_midnight=timetable.at_midnight(parsed)
    )
    covered = []
    before = datetime.combine(day - timedelta(days=2), time(12), UTC)
    for slot in timetable.next_slots(timetable.as_schedule(parsed), before, 4):
        starts_at = parameters.starts_at(slot)
        covered.append(date.fromisoformat(request_for_run({}, parameters, slot, None)["from"]))
        assert starts_at.astimezone(parsed.zone).date() > covered[-1]
    assert covered == [day + timedelta(days=offset) for offset in (-2, -1, 0, 1)]
