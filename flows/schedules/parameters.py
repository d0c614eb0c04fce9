"""Parse the `recurring` flow parameter. A run with this parameter belongs to a schedule.

The format is the same for deployments that the API creates and for those in prefect.yaml.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flows.errors import InvalidRequest, escape_pointer, sentence
from flows.query import date_range
from flows.schedules import relative_range
from flows.schedules.failure_streak import AutoPause, parse_auto_pause
from flows.schedules.range_model import parse_range
from flows.schedules.relative_range import Range, SinceLast
from flows.webhooks.subscriptions import Subscription, parse_subscriptions

_NAMES = ("range", "onlyIfRows", "timeZone", "since", "atMidnight", "notify", "paused")


@dataclass(frozen=True)
class ScheduleParameters:
    """The parsed `recurring` flow parameter.

    `zone` is the time zone of the dates. If it is None, the time zone of the request is used. `since` is the
    time at which the schedule was created. `at_midnight` is true if all slots are in the first hour of a day
    (see relative_range.undo_dst_shift). `paused` is set if the schedule was paused because its runs failed.
    """

    range: Range | None
    only_if_rows: bool = False
    zone: ZoneInfo | None = None
    since: datetime | None = None
    at_midnight: bool = False
    notify: tuple[Subscription, ...] = ()
    paused: AutoPause | None = None

    @property
    def needs_last_success(self) -> bool:
        return isinstance(self.range, SinceLast)

    def starts_at(self, scheduled_at: datetime, zone: ZoneInfo | None = None) -> datetime:
        """Return the time at which the run for a slot starts.

        If DST skips midnight, the run for a midnight slot starts right after the skipped hour. Starting it
        before midnight would be too early, because the previous day would not be over.
        """
        if not self.at_midnight or self.needs_last_success:
            return scheduled_at
        return relative_range.undo_dst_shift(scheduled_at, self.zone or zone or ZoneInfo("UTC"))

    def as_parameter(self) -> dict[str, Any]:
        return {
            "range": relative_range.as_body(self.range) if self.range is not None else None,
            "onlyIfRows": self.only_if_rows,
            "timeZone": self.zone.key if self.zone is not None else None,
            "since": self.since.isoformat() if self.since is not None else None,
            "atMidnight": self.at_midnight,
            "notify": [subscription.as_parameter() for subscription in self.notify],
            "paused": self.paused.as_parameter() if self.paused is not None else None,
        }


def parse_schedule_parameters(value: object) -> ScheduleParameters:
    """Parse the flow parameter.

    Raises InvalidRequest if the parameter is invalid. An operator may have edited it in Prefect.
    """
    if not isinstance(value, dict):
        raise _invalid("", "type", "Must be an object.")
    for name in value:
        if name not in _NAMES:
            raise _invalid(f"/{escape_pointer(name)}", "unknown", "Unknown field.")
    range_ = value.get("range")
    return ScheduleParameters(
        range=parse_range(range_, "/recurring/range") if range_ is not None else None,
        only_if_rows=_flag(value, "onlyIfRows"),
        zone=_zone(value.get("timeZone")),
        since=_since(value.get("since")),
        at_midnight=_flag(value, "atMidnight"),
        notify=_parse(value, "notify", parse_subscriptions) or (),
        paused=_parse(value, "paused", parse_auto_pause),
    )


def request_for_run(
    request: Mapping[str, Any], parameters: ScheduleParameters, scheduled_at: datetime, last: datetime | None
) -> dict[str, Any]:
    """Return the request for the run scheduled for `scheduled_at`, with the dates filled in.

    The result does not depend on when the run starts or how often it is retried. Dates that the request
    already contains are kept. `last` is the end of the period that the last successful run covered.
    """
    if "from" in request:
        return dict(request)
    zone = parameters.zone or _request_zone(request) or ZoneInfo("UTC")
    request_zone = _request_zone(request) or zone
    if parameters.range is None:
        return {**request, "timeZone": request_zone.key}
    start = last or parameters.since or scheduled_at
    slot = parameters.starts_at(scheduled_at, zone)
    dates = relative_range.resolve(parameters.range, slot, zone, request_zone, start)
    return {**request, "timeZone": request_zone.key, **dates}


def _parse(value: Mapping[str, Any], name: str, parse: Callable[[object], Any]) -> Any:
    try:
        return parse(value[name]) if value.get(name) is not None else None
    except ValueError as error:
        raise _invalid(f"/{name}", "invalid", sentence(error)) from None


def _flag(value: Mapping[str, Any], name: str) -> bool:
    flag = value.get(name) or False
    if not isinstance(flag, bool):
        raise _invalid(f"/{name}", "type", "Must be true or false.")
    return flag


def _request_zone(request: Mapping[str, Any]) -> ZoneInfo | None:
    try:
        return (
            date_range.parse_time_zone(request["timeZone"]) if request.get("timeZone") is not None else None
        )
    except ValueError as error:
        raise InvalidRequest.at("/timeZone", "invalid", sentence(error)) from None


def _zone(name: object) -> ZoneInfo | None:
    try:
        return date_range.parse_time_zone(name) if name is not None else None
    except ValueError as error:
        raise _invalid("/timeZone", "invalid", sentence(error)) from None


def _since(text: object) -> datetime | None:
    if text is None:
        return None
    try:
        since = date_range.parse_date_or_timestamp(text)
    except ValueError as error:
        raise _invalid("/since", "invalid", sentence(error)) from None
    if not isinstance(since, datetime):
        raise _invalid("/since", "invalid", "Must be a timestamp with an offset.")
    return since


def _invalid(pointer: str, code: str, detail: str) -> InvalidRequest:
    return InvalidRequest.at(f"/recurring{pointer}", code, detail)
