"""Which days a recurring export covers, told from the time it was planned for. Pure; reads no clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flows.errors import InvalidRequest, escape_pointer
from flows.query import date_range
from flows.query.date_range import DateRange

Days = tuple[date, date]  # the first and the last, both whole


def _last_days(count: int) -> Callable[[date], Days]:
    return lambda today: (today - timedelta(days=count), today - timedelta(days=1))


def _week(today: date) -> Days:
    monday = today - timedelta(days=today.weekday())
    return monday, today


def _previous_week(today: date) -> Days:
    monday, _ = _week(today)
    return monday - timedelta(days=7), monday - timedelta(days=1)


def _previous_month(today: date) -> Days:
    last = today.replace(day=1) - timedelta(days=1)
    return last.replace(day=1), last


# From the day, in the schedule's zone, that the run was planned for; weeks begin on Monday.
PRESETS: Mapping[str, Callable[[date], Days]] = {
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


def past_skipped_midnight(planned: datetime, zone: ZoneInfo) -> datetime:
    """A slot that clocks leave out Prefect plans an hour earlier: one at midnight, on the day before."""
    later = planned.astimezone(UTC) + timedelta(hours=1)
    skipped = planned.astimezone(zone).hour == 23 and later.astimezone(zone).hour == 1
    return later if skipped else planned


@dataclass(frozen=True)
class Relative:
    preset: str

    def dates(self, planned: datetime, zone: ZoneInfo) -> Days:
        return PRESETS[self.preset](planned.astimezone(zone).date())


@dataclass(frozen=True)
class Absolute:
    """The same days in every run, as the caller wrote them."""

    start: str
    end: str


@dataclass(frozen=True)
class SinceLast:
    """From where the last successful run ended to the planned time."""


Range = Relative | Absolute | SinceLast


def parse_range(value: object, pointer: str = "/range") -> Range:
    """InvalidRequest says what is wrong with it; `pointer` is where it stood."""
    if not isinstance(value, dict):
        raise InvalidRequest.at(
            pointer, "type", 'It must be an object such as {"kind": "relative", "preset": "yesterday"}.'
        )
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise InvalidRequest.at(f"{pointer}/kind", _code(kind), f"It must be one of {', '.join(_FIELDS)}.")
    for name in value:
        if name not in ("kind", *_FIELDS[kind]):
            raise InvalidRequest.at(f"{pointer}/{escape_pointer(name)}", "unknown", "There is no such field.")
    for name in _FIELDS[kind]:
        if value.get(name) is None:
            raise InvalidRequest.at(f"{pointer}/{name}", "missing", f"A range of the kind {kind} needs it.")
    return _PARSERS[kind](value, pointer)


def _relative(value: Mapping[str, Any], pointer: str) -> Range:
    preset = value["preset"]
    if not isinstance(preset, str) or preset not in PRESETS:
        raise InvalidRequest.at(f"{pointer}/preset", "invalid", f"It must be one of {', '.join(PRESETS)}.")
    return Relative(preset)


def _absolute(value: Mapping[str, Any], pointer: str) -> Range:
    for name in ("from", "to"):
        try:
            date_range.parse_date_or_timestamp(value[name])
        except ValueError as error:
            raise InvalidRequest.at(f"{pointer}/{name}", "invalid", f"It {error}.") from None
    return Absolute(value["from"], value["to"])


_FIELDS: Mapping[str, tuple[str, ...]] = {
    "relative": ("preset",),
    "absolute": ("from", "to"),
    "since-last": (),
}
_PARSERS: Mapping[str, Callable[[Mapping[str, Any], str], Range]] = {
    "relative": _relative,
    "absolute": _absolute,
    "since-last": lambda value, pointer: SinceLast(),
}


def as_body(asked: Range) -> dict[str, str]:
    if isinstance(asked, Relative):
        return {"kind": "relative", "preset": asked.preset}
    if isinstance(asked, Absolute):
        return {"kind": "absolute", "from": asked.start, "to": asked.end}
    return {"kind": "since-last"}


def resolve(
    asked: Range, planned: datetime, zone: ZoneInfo, request_zone: ZoneInfo, last: datetime
) -> dict[str, str]:
    """`from` and `to` of the request of the run that was planned for `planned`.

    Days are those of `zone`. Where the request reads days in another one, they become moments. `last` is
    where the last success ended, or when the recurring export was made.
    """
    if isinstance(asked, Absolute):
        return {"from": asked.start, "to": asked.end}
    if isinstance(asked, SinceLast):
        return {"from": _moment(last), "to": _moment(planned)}
    first, final = asked.dates(planned, zone)
    if zone.key == request_zone.key:
        return {"from": first.isoformat(), "to": final.isoformat()}
    return _as_moments(date_range.resolve(first, final, zone))


def _as_moments(period: DateRange) -> dict[str, str]:
    return {"from": _moment(period.start), "to": _moment(period.end)}


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _code(value: object) -> str:
    return "missing" if value is None else "invalid"
