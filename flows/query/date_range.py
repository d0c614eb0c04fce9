"""Dates as callers write them, as a half-open range of instants. Reads no clock."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

# Outside these years a date is a slip of the finger, and arithmetic on it can overflow.
EARLIEST, LATEST = date(1900, 1, 1), date(2199, 12, 31)

_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


@dataclass(frozen=True)
class DateRange:
    """The instants `start <= t < end`, both aware and in UTC."""

    start: datetime
    end: datetime

    @property
    def days(self) -> float:
        return (self.end - self.start) / timedelta(days=1)


def parse_date_or_timestamp(text: object) -> date | datetime:
    """A date (`2024-7-19`) or an RFC 3339 date-time with an offset; ValueError says what is wrong."""
    if not isinstance(text, str):
        raise ValueError("must be a date such as 2024-07-19, as a string")
    if match := _DATE.fullmatch(text):
        return _within(_real_date(text, *map(int, match.groups())))
    if _DATE_TIME.fullmatch(text):
        return _real_date_time(text)
    raise ValueError("must be a date such as 2024-07-19, or a date-time with an offset")


def _real_date(text: str, year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise ValueError(f"{text} is not a day of the calendar") from None


def _real_date_time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.upper())
        _within(moment.date())
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text} is out of range") from None
    except ValueError as error:
        raise ValueError(f"{text} is not a moment of the calendar: {error}") from None


def _within(day: date) -> date:
    if not EARLIEST <= day <= LATEST:
        raise ValueError(f"must lie between {EARLIEST} and {LATEST}")
    return day


@cache
def time_zone_names() -> frozenset[str]:
    """Those that every machine and database knows, not what this one happens to be set to."""
    return frozenset(available_timezones()) - {"localtime", "posixrules", "Factory"}


def parse_time_zone(name: object) -> ZoneInfo:
    if not isinstance(name, str) or name not in time_zone_names():
        raise ValueError("must be an IANA time zone such as Europe/Madrid")
    return ZoneInfo(name)


def resolve(start: date | datetime, end: date | datetime, zone: ZoneInfo) -> DateRange:
    """A day is a whole day in `zone`, the last one included; ValueError when nothing lies between."""
    resolved = DateRange(_instant(start, zone), _instant(_after(end), zone))
    if resolved.start >= resolved.end:
        raise ValueError("must not be before `from`, nor the same moment")
    return resolved


def _after(end: date | datetime) -> date | datetime:
    return end if isinstance(end, datetime) else end + timedelta(days=1)


def _instant(moment: date | datetime, zone: ZoneInfo) -> datetime:
    if isinstance(moment, datetime):
        return moment.astimezone(UTC)
    return datetime.combine(moment, time(), zone).astimezone(UTC)
