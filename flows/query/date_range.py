"""Parse dates and time zones, and resolve them to a half-open range of timestamps."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

# Dates outside this range are treated as typos. Date arithmetic on them could also overflow.
EARLIEST, LATEST = date(1900, 1, 1), date(2199, 12, 31)

_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


@dataclass(frozen=True)
class DateRange:
    """A half-open range that includes `first` and excludes `after`.

    Each end is a day in `zone` or an aware timestamp.
    """

    first: date | datetime
    after: date | datetime
    zone: ZoneInfo

    @property
    def start(self) -> datetime:
        """Return the first instant of the range, in UTC."""
        return _to_utc(self.first, self.zone)

    @property
    def end(self) -> datetime:
        return _to_utc(self.after, self.zone)

    @property
    def dates(self) -> tuple[date, date]:
        """Return the first day of the range and the first day after it."""
        return _day(self.first, self.zone), _day(self.after, self.zone)

    def local_times(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return the start and end of the range as local times in `zone`. A day starts at midnight in `zone`.

        The results have UTC as their `tzinfo`, because they are compared with a column that has no time zone.
        """
        return _local_time(self.first, zone), _local_time(self.after, zone)

    @property
    def days(self) -> float:
        return (self.end - self.start) / timedelta(days=1)


def parse_date_or_timestamp(text: object) -> date | datetime:
    """Parse a date (`2024-7-19`) or an RFC 3339 timestamp with an offset.

    Raises ValueError if the text is neither.
    """
    if not isinstance(text, str):
        raise ValueError("must be a string with a date such as 2024-07-19")
    if match := _DATE.fullmatch(text):
        return _check_range(_real_date(text, *map(int, match.groups())))
    if _DATE_TIME.fullmatch(text):
        return _real_date_time(text)
    raise ValueError("must be a date such as 2024-07-19, or a timestamp such as 2024-07-19T09:30:00Z")


def _real_date(text: str, year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise ValueError(f"{text} is not a day of the calendar") from None


def _real_date_time(text: str) -> datetime:
    try:
        timestamp = datetime.fromisoformat(text.upper())
        _check_range(timestamp.date())
        return timestamp.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text} is out of range") from None
    except ValueError as error:
        raise ValueError(f"{text} is not a valid timestamp: {error}") from None


def _check_range(day: date) -> date:
    if not EARLIEST <= day <= LATEST:
        raise ValueError(f"must be between {EARLIEST} and {LATEST}")
    return day


@cache
def time_zone_names() -> frozenset[str]:
    """Return the names of all IANA time zones, except aliases of the machine's local time zone."""
    return frozenset(available_timezones()) - {"localtime", "posixrules", "Factory"}


def parse_time_zone(name: object) -> ZoneInfo:
    if not isinstance(name, str) or name not in time_zone_names():
        raise ValueError("must be an IANA time zone such as Europe/Madrid")
    return ZoneInfo(name)


def resolve(start: date | datetime, end: date | datetime, zone: ZoneInfo) -> DateRange:
    """Resolve a range of timestamps, or of days in `zone`. The last day is included.

    Raises ValueError if the range is empty. A day that the time zone skipped does not count as empty, because
    a date column can still contain it.
    """
    resolved = DateRange(start, _exclusive_end(end), zone)
    if resolved.start >= resolved.end and not _has_days(start, end):
        raise ValueError("must be after `from`")
    return resolved


def _has_days(start: date | datetime, end: date | datetime) -> bool:
    return not isinstance(start, datetime) and not isinstance(end, datetime) and start <= end


def _exclusive_end(end: date | datetime) -> date | datetime:
    return end if isinstance(end, datetime) else end + timedelta(days=1)


def _to_utc(day: date | datetime, zone: ZoneInfo) -> datetime:
    if isinstance(day, datetime):
        return day.astimezone(UTC)
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _local_time(day: date | datetime, zone: ZoneInfo) -> datetime:
    return local_time(day, zone) if isinstance(day, datetime) else datetime.combine(day, time(), UTC)


def local_time(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return the local time of an instant in `zone`, with `tzinfo` set to UTC."""
    return instant.astimezone(zone).replace(tzinfo=UTC)


def _day(day: date | datetime, zone: ZoneInfo) -> date:
    return day.astimezone(zone).date() if isinstance(day, datetime) else day
