"""What makes a run one of a recurring export: the flow's second parameter. Pure.

The same parameter whether the API made the deployment or prefect.yaml holds it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flows.errors import InvalidRequest, escape_pointer
from flows.query import date_range
from flows.schedules import relative_range
from flows.schedules.failure_streak import AutoPause, parse_auto_pause
from flows.schedules.relative_range import Range, SinceLast
from flows.webhooks.subscriptions import Subscription, parse_subscriptions

_NAMES = ("range", "onlyIfRows", "timeZone", "since", "atMidnight", "notify", "paused")


@dataclass(frozen=True)
class ScheduleParameters:
    """`zone` is where days begin and end; None: where the request says. `since` is when it was made.

    `at_midnight`: its slots are in the first hour of a day, so one at 23 o'clock was moved there.
    `paused`: why it does not go on by itself.
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

    def as_parameter(self) -> dict[str, Any]:
        return {
            "range": relative_range.as_body(self.range) if self.range is not None else None,
            "onlyIfRows": self.only_if_rows,
            "timeZone": self.zone.key if self.zone is not None else None,
            "since": self.since.isoformat() if self.since is not None else None,
            "atMidnight": self.at_midnight,
            "notify": [each.as_parameter() for each in self.notify],
            "paused": self.paused.as_parameter() if self.paused is not None else None,
        }


def parse_schedule_parameters(value: object) -> ScheduleParameters:
    """Reads the parameter; InvalidRequest when somebody has written it by hand, and wrongly."""
    if not isinstance(value, dict):
        raise _invalid("", "type", "It must be an object.")
    for name in value:
        if name not in _NAMES:
            raise _invalid(f"/{escape_pointer(name)}", "unknown", "There is no such field.")
    given = value.get("range")
    return ScheduleParameters(
        range=relative_range.parse_range(given, "/recurring/range") if given is not None else None,
        only_if_rows=_flag(value, "onlyIfRows"),
        zone=_zone(value.get("timeZone")),
        since=_since(value.get("since")),
        at_midnight=_flag(value, "atMidnight"),
        notify=_read(value, "notify", parse_subscriptions) or (),
        paused=_read(value, "paused", parse_auto_pause),
    )


def request_for_run(
    request: Mapping[str, Any], recurring: ScheduleParameters, planned: datetime, last: datetime | None
) -> dict[str, Any]:
    """The request of the run that was planned for `planned`, with the days that it covers.

    The same however often it is asked, and however late: a request that already has its days keeps them.
    """
    if "from" in request:
        return dict(request)
    zone = recurring.zone or _request_zone(request) or ZoneInfo("UTC")
    request_zone = _request_zone(request) or zone
    if recurring.range is None:
        return {**request, "timeZone": request_zone.key}
    start = last or recurring.since or planned
    if recurring.at_midnight and not recurring.needs_last_success:
        planned = relative_range.past_skipped_midnight(planned, zone)
    days = relative_range.resolve(recurring.range, planned, zone, request_zone, start)
    return {**request, "timeZone": request_zone.key, **days}


def _read(value: Mapping[str, Any], name: str, parse: Callable[[object], Any]) -> Any:
    try:
        return parse(value[name]) if value.get(name) is not None else None
    except ValueError as error:
        raise _invalid(f"/{name}", "invalid", f"It {error}.") from None


def _flag(value: Mapping[str, Any], name: str) -> bool:
    given = value.get(name) or False
    if not isinstance(given, bool):
        raise _invalid(f"/{name}", "type", "It must be true or false.")
    return given


def _request_zone(request: Mapping[str, Any]) -> ZoneInfo | None:
    try:
        return (
            date_range.parse_time_zone(request["timeZone"]) if request.get("timeZone") is not None else None
        )
    except ValueError as error:
        raise InvalidRequest.at("/timeZone", "invalid", f"It {error}.") from None


def _zone(name: object) -> ZoneInfo | None:
    try:
        return date_range.parse_time_zone(name) if name is not None else None
    except ValueError as error:
        raise _invalid("/timeZone", "invalid", f"It {error}.") from None


def _since(text: object) -> datetime | None:
    if text is None:
        return None
    try:
        moment = date_range.parse_date_or_timestamp(text)
    except ValueError as error:
        raise _invalid("/since", "invalid", f"It {error}.") from None
    if not isinstance(moment, datetime):
        raise _invalid("/since", "invalid", "It must be a date-time with an offset.")
    return moment


def _invalid(pointer: str, code: str, detail: str) -> InvalidRequest:
    return InvalidRequest.at(f"/recurring{pointer}", code, detail)
