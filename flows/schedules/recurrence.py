"""Parse the recurrence of a schedule. A recurrence is a `cron`, `rrule` or `every` rule in a time zone.

A rule is rejected if it would create too many runs, would take too long to evaluate, or would never match.
Prefect computes the slots (see api/schedules/timetable.py), so the displayed slots always match the runs.
"""

import re
from calendar import isleap
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, timedelta
from itertools import islice, pairwise, takewhile
from typing import Literal
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rrulestr

from flows.query import date_range

Kind = Literal["cron", "rrule", "every"]
KINDS: tuple[Kind, ...] = ("cron", "rrule", "every")

MIN_INTERVAL = timedelta(minutes=15)
MAX_INTERVAL = timedelta(days=366)
# A rule without a slot in this period is rejected, because the scheduler would search for one on every pass.
HORIZON = timedelta(days=5 * 366)
EARLIEST, LATEST = datetime(2020, 1, 1), datetime(2090, 1, 1)  # noqa: DTZ001 - in the rule's time zone
# Covers all slots of one day (96) and the first slots of the next day.
SLOTS_CHECKED = 100
MAX_LENGTH = 500
# Prefect visits all slots since DTSTART whenever it schedules runs. This takes 20 to 30 µs per slot.
MAX_SLOTS = 20_000
GROWTH = timedelta(days=366)

_CRON_FIELD = re.compile(r"[0-9A-Za-z*/,#?-]+", re.ASCII)
_RANDOM = re.compile(r"(^|[,/-])[RHrh]($|[,/(-])", re.ASCII)
_EVERY = re.compile(
    r"P(?:(\d{1,4})W|(\d{1,4})D|T(?=\d)(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)", re.ASCII
)
_RRULE = re.compile(r"(?:DTSTART:(\d{8}T\d{6})\n)?(?:RRULE:)?([A-Z0-9=;,+-]+)", re.ASCII)
_UNTIL_UTC = re.compile(r"(?:^|;)UNTIL=(\d{8}T\d{6}Z)(?:;|$)", re.ASCII)
_LOCAL = "%Y%m%dT%H%M%S"
_NOT_A_DURATION = "must be a duration of weeks, days, or hours and minutes, such as P1W, P1D or PT6H"
_PARTS = frozenset(
    {"FREQ", "INTERVAL", "UNTIL", "WKST", "BYSETPOS", "BYWEEKNO", "BYYEARDAY", "BYMONTH", "BYMONTHDAY"}
    | {"BYDAY", "BYHOUR", "BYMINUTE"}
)
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")


@dataclass(frozen=True)
class Recurrence:
    """A recurrence rule.

    `text` is the cron expression, the RRULE or the duration. An `every` rule counts from its `anchor` slot.
    """

    kind: Kind
    text: str
    zone: ZoneInfo
    anchor: datetime | None = None

    @property
    def interval(self) -> timedelta:
        """The interval of an `every` rule.

        It may include seconds if an operator has edited the rule in Prefect.
        """
        return _interval(self.text)

    @property
    def whole_days(self) -> bool:
        """Return whether this is an `every` rule that counts calendar days, not a fixed number of hours.

        The length of a calendar day changes with daylight saving time.
        """
        return self.kind == "every" and "T" not in self.text

    def as_body(self) -> dict[str, str]:
        anchor = {"anchor": self.anchor.isoformat()} if self.anchor is not None else {}
        return {self.kind: self.text, "timeZone": self.zone.key, **anchor}


def parse_cron(text: object) -> str:
    """Check that a cron expression has five fields, and normalize its spaces.

    Prefect's parser checks the values.
    """
    fields = _checked_length(text).split()
    if len(fields) != 5:
        raise ValueError("must have exactly five fields: minute, hour, day, month and weekday")
    if not all(_CRON_FIELD.fullmatch(field) and not _RANDOM.search(field) for field in fields):
        raise ValueError("must be a cron expression such as 0 9 * * MON")
    return " ".join(fields)


def parse_every(text: object) -> timedelta:
    interval = _interval(_checked_length(text))
    if interval % timedelta(minutes=1):
        raise ValueError(_NOT_A_DURATION)
    if interval > MAX_INTERVAL:
        raise ValueError(f"must be at most {MAX_INTERVAL.days} days")
    check_pace([EARLIEST, EARLIEST + interval])
    return interval


def _interval(text: str) -> timedelta:
    match = _EVERY.fullmatch(text)
    if match is None:
        raise ValueError(_NOT_A_DURATION)
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def parse_rrule(text: object, now: datetime, zone: ZoneInfo) -> str:
    """Validate an RFC 5545 rule and return it in normalized form.

    FREQ must be DAILY or less frequent. Seconds and COUNT are not allowed. DTSTART is in local time. Calendar
    applications write UNTIL in UTC, so it is converted to local time.
    """
    match = _RRULE.fullmatch(_checked_length(text).replace("\r\n", "\n"))
    if match is None:
        raise ValueError("must be one RRULE, optionally after a local DTSTART")
    start, rule = match.groups()
    rule = _with_local_end(rule, zone)
    _check_parts(rule)
    text_with_start = (f"DTSTART:{start}\n" if start else "") + f"RRULE:{rule}"
    try:
        parsed = rrulestr(text_with_start, dtstart=EARLIEST)
        parsed = parsed.replace(until=min(parsed._until or LATEST, _naive_utc(now) + HORIZON))
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"must be a valid RRULE: {error}") from None
    _check_slots(parsed, now)
    _check_number_of_slots(parsed, now)
    return text_with_start


def _with_local_end(rule: str, zone: ZoneInfo) -> str:
    match = _UNTIL_UTC.search(rule)
    if match is None:
        return rule
    try:
        until = datetime.strptime(match[1], f"{_LOCAL}%z").astimezone(zone)
    except (ValueError, OverflowError):
        raise ValueError("must have an UNTIL such as 20241231T225959Z") from None
    return rule.replace(match[1], until.strftime(_LOCAL))


def _check_parts(rule: str) -> None:
    parts = dict(part.partition("=")[::2] for part in rule.split(";"))
    if unknown := sorted(set(parts) - _PARTS):
        raise ValueError(f"must not contain {', '.join(unknown)}")
    if parts.get("FREQ") not in _FREQUENCIES:
        raise ValueError(
            f"must have a FREQ of {', '.join(_FREQUENCIES)}; for shorter intervals use `every` or `cron`"
        )
    if not re.fullmatch(r"[1-9]\d{0,2}", parts.get("INTERVAL", "1"), re.ASCII):
        raise ValueError("must have an INTERVAL from 1 to 999")


def _check_slots(rule: rrule, now: datetime) -> None:
    """Check that the rule has a slot within the next 5 years and is not too frequent.

    The frequency is checked first. Otherwise, searching for a slot could take a long time, because the search
    visits every slot of the rule.
    """
    if not EARLIEST <= rule._dtstart <= LATEST:
        raise ValueError(f"must have a DTSTART from {EARLIEST:%Y} to {LATEST:%Y}")
    later = _calendar_repeats_after(rule._dtstart.year, max(rule._dtstart, _naive_utc(now)) + HORIZON)
    start, until = rule._dtstart + later, rule._until + later
    check_pace(list(islice(rule.replace(dtstart=start, until=start + HORIZON), SLOTS_CHECKED)))
    if rule.replace(dtstart=start, until=until).after(_naive_utc(now) + later, inc=True) is None:
        raise ValueError("must have a slot within the next 5 years")


def _check_number_of_slots(rule: rrule, now: datetime) -> None:
    last = max(rule._dtstart, _naive_utc(now)) + GROWTH
    slots = takewhile(lambda slot: slot <= last, rule)
    if next(islice(slots, MAX_SLOTS, None), None) is not None:
        raise ValueError(
            f"must have at most {MAX_SLOTS:,} slots from its DTSTART until a year from now. Set a later"
            f" DTSTART than {rule._dtstart:%Y%m%dT%H%M%S}, or use `every` or `cron`"
        )


def _calendar_repeats_after(year: int, last: datetime) -> timedelta:
    """Return an offset that moves a rule close to the end of Python's calendar.

    For a rule that never matches, dateutil searches up to the year 9999, which takes several seconds. Moving
    the rule keeps that search short. The offset moves each year from `year` to the year of `last` to a year
    with the same weekdays and the same length.
    """
    years = last.year - year
    same = next(
        later
        for later in range(MAXYEAR - years, MAXYEAR - years - 28, -1)
        if date(later, 1, 1).weekday() == date(year, 1, 1).weekday()
        and all(isleap(later + offset) == isleap(year + offset) for offset in range(years + 1))
    )
    return date(same, 1, 1) - date(year, 1, 1)


def check_pace(slots: list[datetime]) -> None:
    """Raise ValueError if two consecutive slots are less than 15 minutes apart."""
    if any(later - earlier < MIN_INTERVAL for earlier, later in pairwise(slots)):
        raise ValueError(
            f"must leave at least {MIN_INTERVAL // timedelta(minutes=1)} minutes between two runs"
        )


def every_text(interval: timedelta) -> str:
    """Format a duration in ISO 8601 notation, such as `P7D` or `PT6H30M`."""
    if interval % timedelta(days=1) == timedelta():
        return f"P{interval.days}D"
    minutes, seconds = divmod(max(1, round(interval.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    return "PT" + "".join(
        f"{count}{unit}" for count, unit in zip((hours, minutes, seconds), "HMS", strict=True) if count
    )


def parse_anchor(text: object) -> datetime:
    """Parse a timestamp with an offset.

    Raises ValueError if it is invalid or out of range.
    """
    anchor: date | datetime = date_range.parse_date_or_timestamp(text)
    if not isinstance(anchor, datetime):
        raise ValueError("must be a timestamp with an offset")
    if not EARLIEST <= anchor.replace(tzinfo=None) <= LATEST:
        raise ValueError(f"must be between {EARLIEST:%Y} and {LATEST:%Y}")
    return anchor.replace(microsecond=0)


def _checked_length(text: object) -> str:
    if not isinstance(text, str) or not 0 < len(text) <= MAX_LENGTH:
        raise ValueError(f"must be a string of 1 to {MAX_LENGTH} characters")
    return text


def _naive_utc(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(tzinfo=None)
