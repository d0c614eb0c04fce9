"""When an export recurs, as callers write it: `cron`, `rrule` or `every`, in a zone. Pure.

What is refused here would make Prefect's scheduler plan too much, for ever, or never. When the slots are,
Prefect itself says (api/schedules/timetable.py): one arithmetic, no second opinion.
"""

import re
from calendar import isleap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, timedelta
from itertools import islice, pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rrulestr

from flows.errors import InvalidRequest, escape_pointer
from flows.query import date_range

Kind = Literal["cron", "rrule", "every"]
KINDS: tuple[Kind, ...] = ("cron", "rrule", "every")

LEAST = timedelta(minutes=15)
LONGEST = timedelta(days=366)
# What does not happen within so many days will hardly be missed, and costs the scheduler long searches.
HORIZON = timedelta(days=5 * 366)
EARLIEST, LATEST = datetime(2020, 1, 1), datetime(2090, 1, 1)  # noqa: DTZ001 - in the rule's own zone
# Enough for every slot of a day, and of the morning after.
LOOKED_AT = 100
MAX_LENGTH = 500

_CRON_FIELD = re.compile(r"[0-9A-Za-z*/,#?-]+", re.ASCII)
_RANDOM = re.compile(r"(^|[,/-])[RHrh]($|[,/(-])", re.ASCII)
_EVERY = re.compile(
    r"P(?:(\d{1,4})W|(\d{1,4})D|T(?=\d)(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)", re.ASCII
)
_RRULE = re.compile(r"(?:DTSTART:(\d{8}T\d{6})\n)?(?:RRULE:)?([A-Z0-9=;,+-]+)", re.ASCII)
_NO_DURATION = "must be a duration of weeks, days, or hours and minutes, such as P1W, P1D or PT6H"
_PARTS = frozenset(
    {"FREQ", "INTERVAL", "UNTIL", "WKST", "BYSETPOS", "BYWEEKNO", "BYYEARDAY", "BYMONTH", "BYMONTHDAY"}
    | {"BYDAY", "BYHOUR", "BYMINUTE"}
)
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")


@dataclass(frozen=True)
class Recurrence:
    """`text` is the cron, the rrule or the duration; `anchor` is the slot that `every` counts from."""

    kind: Kind
    text: str
    zone: ZoneInfo
    anchor: datetime | None = None

    @property
    def interval(self) -> timedelta:
        """Whatever an operator has made of it in Prefect, seconds included."""
        return _interval(self.text)

    @property
    def whole_days(self) -> bool:
        """Days are as long as the zone's clocks make them; hours and minutes are always the same."""
        return self.kind == "every" and "T" not in self.text

    def as_body(self) -> dict[str, str]:
        anchor = {"anchor": self.anchor.isoformat()} if self.anchor is not None else {}
        return {self.kind: self.text, "timeZone": self.zone.key, **anchor}


def parse_recurrence(value: object, now: datetime, pointer: str = "/recurrence") -> Recurrence:
    """InvalidRequest with one mistake; an `every` without anchor counts from `now`."""
    if not isinstance(value, dict):
        raise InvalidRequest.at(pointer, "type", 'It must be an object such as {"cron": "0 9 * * MON"}.')
    for name in value:
        if name not in (*KINDS, "timeZone", "anchor"):
            raise InvalidRequest.at(f"{pointer}/{escape_pointer(name)}", "unknown", "There is no such field.")
    given = [kind for kind in KINDS if value.get(kind) is not None]
    if len(given) != 1:
        raise InvalidRequest.at(
            pointer, "missing" if not given else "range", "It needs one of cron, rrule and every."
        )
    kind = given[0]
    zone_name = "UTC" if value.get("timeZone") is None else value["timeZone"]
    zone = _read(zone_name, date_range.parse_time_zone, f"{pointer}/timeZone")
    text = _read(value[kind], lambda text: _PARSERS[kind](text, now), f"{pointer}/{kind}")
    if kind != "every":
        if value.get("anchor") is not None:
            raise InvalidRequest.at(f"{pointer}/anchor", "unknown", "Only `every` has an anchor.")
        return Recurrence(kind, text, zone)
    anchor = _read(value.get("anchor"), lambda at: _anchor(at, now), f"{pointer}/anchor")
    return Recurrence(kind, text, zone, anchor)


def parse_cron(text: object, now: datetime) -> str:
    """Five fields; whether they mean something, Prefect's own reader says."""
    fields = _short(text).split()
    if len(fields) != 5:
        raise ValueError("must have exactly five fields: minute, hour, day, month and weekday")
    if not all(_CRON_FIELD.fullmatch(field) and not _RANDOM.search(field) for field in fields):
        raise ValueError("is no cron expression such as 0 9 * * MON")
    return " ".join(fields)


def parse_every(text: object) -> timedelta:
    interval = _interval(_short(text))
    if interval % timedelta(minutes=1):
        raise ValueError(_NO_DURATION)
    if interval > LONGEST:
        raise ValueError(f"must be at most {LONGEST.days} days")
    check_pace([EARLIEST, EARLIEST + interval])
    return interval


def _interval(text: str) -> timedelta:
    match = _EVERY.fullmatch(text)
    if match is None:
        raise ValueError(_NO_DURATION)
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def parse_rrule(text: object, now: datetime) -> str:
    """One rule of days: RFC 5545 without seconds, COUNT and sub-daily frequencies; a DTSTART is local."""
    match = _RRULE.fullmatch(_short(text).replace("\r\n", "\n"))
    if match is None:
        raise ValueError("must be one RRULE, with at most a local DTSTART before it")
    start, rule = match.groups()
    _check_parts(rule)
    whole = (f"DTSTART:{start}\n" if start else "") + f"RRULE:{rule}"
    try:
        found = rrulestr(whole, dtstart=EARLIEST)
        until = found._until
        found = found.replace(until=min(until or LATEST, _naive(now) + HORIZON))
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"is no rule: {error}") from None
    _check_slots(found, now)
    return whole


def _check_parts(rule: str) -> None:
    parts = dict(part.partition("=")[::2] for part in rule.split(";"))
    if unknown := sorted(set(parts) - _PARTS):
        raise ValueError(f"must not have {', '.join(unknown)}")
    if parts.get("FREQ") not in _FREQUENCIES:
        raise ValueError(f"must have a FREQ of {', '.join(_FREQUENCIES)}; for less take `every` or `cron`")
    if not re.fullmatch(r"[1-9]\d{0,2}", parts.get("INTERVAL", "1"), re.ASCII):
        raise ValueError("must have an INTERVAL of 1 to 999")


def _check_slots(found: rrule, now: datetime) -> None:
    """The first slots before any search: they show the pace of all, and a search walks over every slot."""
    if not EARLIEST <= found._dtstart <= LATEST:
        raise ValueError(f"must have a DTSTART from {EARLIEST:%Y} to {LATEST:%Y}")
    later = _towards_the_end(found._dtstart.year, max(found._dtstart, _naive(now)) + HORIZON)
    start, until = found._dtstart + later, found._until + later
    check_pace(list(islice(found.replace(dtstart=start, until=start + HORIZON), LOOKED_AT)))
    if found.replace(dtstart=start, until=until).after(_naive(now) + later, inc=True) is None:
        raise ValueError("does not happen within the next years")


def _towards_the_end(year: int, last: datetime) -> timedelta:
    """How much later the calendar from `year` to `last` comes again, as late as Python's calendar has it.

    dateutil looks for what never happens until the year 9999, for seconds: there the search is short.
    """
    years = last.year - year
    same = next(
        later
        for later in range(MAXYEAR - years, MAXYEAR - years - 28, -1)
        if date(later, 1, 1).weekday() == date(year, 1, 1).weekday()
        and all(isleap(later + each) == isleap(year + each) for each in range(years + 1))
    )
    return date(same, 1, 1) - date(year, 1, 1)


def check_pace(slots: list[datetime]) -> None:
    if any(later - earlier < LEAST for earlier, later in pairwise(slots)):
        raise ValueError(f"must leave at least {LEAST // timedelta(minutes=1)} minutes between two runs")


def every_text(interval: timedelta) -> str:
    """The duration as it is written."""
    if interval % timedelta(days=1) == timedelta():
        return f"P{interval.days}D"
    minutes, seconds = divmod(max(1, round(interval.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    return "PT" + "".join(
        f"{each}{unit}" for each, unit in zip((hours, minutes, seconds), "HMS", strict=True) if each
    )


def _anchor(text: object, now: datetime) -> datetime:
    if text is None:
        return now.replace(microsecond=0)
    moment: date | datetime = date_range.parse_date_or_timestamp(text)
    if not isinstance(moment, datetime):
        raise ValueError("must be a date-time with an offset")
    if not EARLIEST <= moment.replace(tzinfo=None) <= LATEST:
        raise ValueError(f"must lie between {EARLIEST:%Y} and {LATEST:%Y}")
    return moment.replace(microsecond=0)


def _short(text: object) -> str:
    if not isinstance(text, str) or not 0 < len(text) <= MAX_LENGTH:
        raise ValueError(f"must be a text of 1 to {MAX_LENGTH} characters")
    return text


def _naive(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(tzinfo=None)


_PARSERS: Mapping[Kind, Callable[[object, datetime], str]] = {
    "cron": parse_cron,
    "rrule": parse_rrule,
    "every": lambda text, now: every_text(parse_every(text)),
}


def _read(value: object, parse: Callable[[Any], Any], pointer: str) -> Any:
    try:
        return parse(value)
    except ValueError as error:
        raise InvalidRequest.at(pointer, "invalid", f"It {error}.") from None
