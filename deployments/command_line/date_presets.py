"""Compute the dates of presets such as `last-month`. The page offers the same presets."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

Dates = tuple[date, date]  # The first and last day, both inclusive.


def preset_dates(name: str, now: datetime, zone: str | None) -> Dates:
    """Return the dates of a preset, relative to the current day in a time zone.

    An unknown zone is treated as UTC, because the service rejects it with a better message.
    """
    return PRESETS[name](now.astimezone(_zone(zone or "UTC")).date())


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        return ZoneInfo("UTC")


def _last_days(days: int) -> Callable[[date], Dates]:
    return lambda today: (today - timedelta(days=days - 1), today)


def _before(first: date, months: int) -> Dates:
    """Return the dates of the `months` months before a month. `first` is the first day of that month."""
    year, month = divmod(first.year * 12 + first.month - 1 - months, 12)
    return date(year, month + 1, 1), first - timedelta(days=1)


def _month(today: date) -> date:
    return today.replace(day=1)


def _quarter(today: date) -> date:
    return today.replace(day=1, month=today.month - (today.month - 1) % 3)


def _year(today: date) -> date:
    return today.replace(day=1, month=1)


PRESETS: Mapping[str, Callable[[date], Dates]] = {
    "today": _last_days(1),
    "yesterday": lambda today: (today - timedelta(days=1), today - timedelta(days=1)),
    "last-7-days": _last_days(7),
    "last-30-days": _last_days(30),
    "last-90-days": _last_days(90),
    "this-month": lambda today: (_month(today), today),
    "last-month": lambda today: _before(_month(today), 1),
    "this-quarter": lambda today: (_quarter(today), today),
    "last-quarter": lambda today: _before(_quarter(today), 3),
    "this-year": lambda today: (_year(today), today),
    "last-year": lambda today: _before(_year(today), 12),
}
