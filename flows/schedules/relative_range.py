"""Compute the dates that a scheduled run covers.

They depend on the schedule's `range` and on the run's scheduled time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from flows.query import date_range
from flows.query.date_range import DateRange

Dates = tuple[date, date]  # The first and last day, both inclusive.


def _last_days(count: int) -> Callable[[date], Dates]:
    return lambda today: (today - timedelta(days=count), today - timedelta(days=1))


def _week(today: date) -> Dates:
    monday = today - timedelta(days=today.weekday())
    return monday, today


def _previous_week(today: date) -> Dates:
    monday, _ = _week(today)
    return monday - timedelta(days=7), monday - timedelta(days=1)


def _previous_month(today: date) -> Dates:
    last = today.replace(day=1) - timedelta(days=1)
    return last.replace(day=1), last


# Presets are relative to the scheduled day in the schedule's time zone. Weeks start on Monday.
PRESETS: Mapping[str, Callable[[date], Dates]] = {
    "today": lambda today: (today, today),
    "yesterday": _last_days(1),
    "last-7-days": _last_days(7),
    "last-30-days": _last_days(30),
    "last-90-days": _last_days(90),
    "week-to-date": _week,
    "previous-week": _previous_week,
    "month-to-date": lambda today: (today.replace(day=1), today),
    "previous-month": _previous_month,
    "year-to-date": lambda today: (today.replace(month=1, day=1), today),
}


def undo_dst_shift(scheduled_at: datetime, zone: ZoneInfo) -> datetime:
    """Move a slot from 23:00 to 01:00 if daylight saving time skips midnight.

    Prefect schedules a skipped midnight slot one hour early, which puts it on the previous day.
    """
    later = scheduled_at.astimezone(UTC) + timedelta(hours=1)
    skipped = scheduled_at.astimezone(zone).hour == 23 and later.astimezone(zone).hour == 1
    return later if skipped else scheduled_at


@dataclass(frozen=True)
class Relative:
    preset: str

    def dates(self, scheduled_at: datetime, zone: ZoneInfo) -> Dates:
        return PRESETS[self.preset](scheduled_at.astimezone(zone).date())


@dataclass(frozen=True)
class Absolute:
    """A range that is the same for every run. `start` and `end` are kept as the caller wrote them."""

    start: str
    end: str


@dataclass(frozen=True)
class SinceLast:
    """A range that starts at the end of the last successful run's range and ends at the scheduled time."""


Range = Relative | Absolute | SinceLast


def as_body(range_: Range) -> dict[str, str]:
    if isinstance(range_, Relative):
        return {"kind": "relative", "preset": range_.preset}
    if isinstance(range_, Absolute):
        return {"kind": "absolute", "from": range_.start, "to": range_.end}
    return {"kind": "since-last"}


def resolve(
    range_: Range, scheduled_at: datetime, zone: ZoneInfo, request_zone: ZoneInfo, last: datetime
) -> dict[str, str]:
    """Return `from` and `to` for a run's request.

    A relative range yields dates if the request's time zone is `zone`, and timestamps otherwise. `last` is
    the end of the period that the last successful run covered, or the creation time of the schedule.
    """
    if isinstance(range_, Absolute):
        return {"from": range_.start, "to": range_.end}
    if isinstance(range_, SinceLast):
        return {"from": _timestamp(last), "to": _timestamp(scheduled_at)}
    first, final = range_.dates(scheduled_at, zone)
    if zone.key == request_zone.key:
        return {"from": first.isoformat(), "to": final.isoformat()}
    return _as_timestamps(date_range.resolve(first, final, zone))


def _as_timestamps(period: DateRange) -> dict[str, str]:
    return {"from": _timestamp(period.start), "to": _timestamp(period.end)}


def _timestamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
