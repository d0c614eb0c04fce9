"""The body of a recurring export: read strictly, every mistake with its pointer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.schedules import notify as notify_body
from api.schedules import timetable
from api.schedules.notify import Webhooks
from flows.errors import FieldError, InvalidRequest, escape_pointer
from flows.query.report import DEFAULT_REPORT, Report
from flows.query.request import ExportRequest, parse_request
from flows.query.request_fields import MAX_NAME_LENGTH
from flows.schedules import recurrence, relative_range
from flows.schedules.parameters import ScheduleParameters, request_for_run
from flows.schedules.recurrence import Recurrence
from flows.schedules.relative_range import Range
from flows.webhooks.subscriptions import Subscription

NAMES = ("name", "enabled", "recurrence", "range", "export", "onlyIfRows", "notify")
# These may be changed even where the rest has become wrong, such as when a report is gone.
ALWAYS_CHANGEABLE = frozenset({"name", "enabled"})


@dataclass(frozen=True)
class RecurringExport:
    """What a caller asks for; `export` is a request without its days."""

    name: str
    enabled: bool
    recurrence: Recurrence
    range: Range | None
    export: Mapping[str, Any]
    only_if_rows: bool
    notify: tuple[Subscription, ...] = ()

    @property
    def report(self) -> str:
        return self.export.get("report") or DEFAULT_REPORT

    def recurring(self, since: datetime) -> ScheduleParameters:
        at_midnight = timetable.at_midnight(self.recurrence)
        return ScheduleParameters(
            self.range, self.only_if_rows, self.recurrence.zone, since, at_midnight, self.notify
        )

    def as_body(self) -> dict[str, Any]:
        """Without `notify`, whose addresses are not for every reader."""
        return {
            "name": self.name,
            "enabled": self.enabled,
            "recurrence": self.recurrence.as_body(),
            "range": relative_range.as_body(self.range) if self.range is not None else None,
            "export": dict(self.export),
            "onlyIfRows": self.only_if_rows,
        }


def parse(
    body: object,
    reports: Mapping[str, Report],
    now: datetime,
    webhooks: Webhooks,
    needs_name: bool = True,
) -> tuple[RecurringExport, ExportRequest]:
    """The recurring export, and the request of a run that would be planned for now."""
    given = check_names(body)
    errors: list[FieldError] = []
    name = _collect(errors, lambda: _name(given.get("name"), needs_name), "")
    enabled = _collect(errors, lambda: flag(given, "enabled", True), True)
    only_if_rows = _collect(errors, lambda: flag(given, "onlyIfRows", False), False)
    notify = _collect(errors, lambda: notify_body.parse(given.get("notify"), webhooks), ())
    recurs = _collect(errors, lambda: _recurrence(given.get("recurrence"), now), None)
    report = _collect(errors, lambda: _report(given.get("export"), reports), None)
    days = _collect(errors, lambda: _range(given.get("range"), report), None)
    if recurs is None or report is None or errors:
        raise InvalidRequest(errors)
    export = _without_nulls(given["export"])
    found = RecurringExport(name, enabled, recurs, days, export, only_if_rows, notify)
    return found, _request_now(found, reports, now)


def check_names(body: object) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise InvalidRequest([FieldError("", "type", "The body must be a JSON object.")])
    unknown = [escape_pointer(name) for name in body if name not in NAMES]
    if unknown:
        raise InvalidRequest(
            [FieldError(f"/{name}", "unknown", "There is no such field.") for name in unknown]
        )
    return body


def flag(given: Mapping[str, Any], name: str, default: bool) -> bool:
    value = given.get(name)
    if value is not None and not isinstance(value, bool):
        raise _wrong(f"/{name}", "type", "It must be true or false.")
    return default if value is None else value


def name_of(given: Mapping[str, Any]) -> str:
    return _name(given.get("name"), needed=True)


def _name(value: object, needed: bool) -> str:
    if value is None and not needed:
        return ""
    if value is None:
        raise _wrong("/name", "missing", "A recurring export needs a name.")
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_LENGTH or not value.isprintable():
        detail = f"It must be a line of 1 to {MAX_NAME_LENGTH} printable characters."
        raise _wrong("/name", "invalid", detail)
    return value


def _recurrence(value: object, now: datetime) -> Recurrence:
    if value is None:
        raise _wrong("/recurrence", "missing", "Say when it recurs: cron, rrule or every.")
    found = recurrence.parse_recurrence(value, now)
    if found.kind == "cron":
        timetable.check_cron(found)
    return found


def _report(export: object, reports: Mapping[str, Report]) -> Report:
    if not isinstance(export, dict):
        code = "missing" if export is None else "type"
        raise _wrong("/export", code, "It must be an object: the request without `from` and `to`.")
    for name in ("from", "to"):
        if name in export:
            raise _wrong(f"/export/{name}", "unknown", "The days are told by `range`.")
    name = export.get("report") or DEFAULT_REPORT
    if not isinstance(name, str) or name not in reports:
        known = ", ".join(sorted(reports))
        raise _wrong("/export/report", "unknown", f"There is no such report; there are {known}.")
    return reports[name]


def _range(value: object, report: Report | None) -> Range | None:
    has_period = report is None or report.period is not None
    if value is None:
        if has_period:
            raise _wrong("/range", "missing", "Say which days each run covers.")
        return None
    if not has_period:
        raise _wrong("/range", "unknown", "This report has no days; leave `range` out.")
    return relative_range.parse_range(value)


def _request_now(found: RecurringExport, reports: Mapping[str, Report], now: datetime) -> ExportRequest:
    """Read by the same reader as every request; what it says of the days is the range's to mend."""
    since = now - recurrence.MIN_INTERVAL  # for since-last: something must lie between
    try:
        return parse_request(request_for_run(found.export, found.recurring(since), now, None), reports)
    except InvalidRequest as error:
        raise InvalidRequest([_at_its_place(each) for each in error.errors]) from None


def _at_its_place(error: FieldError) -> FieldError:
    pointer = "/range" if error.pointer in ("/from", "/to") else f"/export{error.pointer}"
    return FieldError(pointer, error.code, error.detail)


def _without_nulls(export: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in export.items() if value is not None}


def _collect(errors: list[FieldError], read: Callable[[], Any], default: Any) -> Any:
    try:
        return read()
    except InvalidRequest as error:
        errors += error.errors
        return default


def _wrong(pointer: str, code: str, detail: str) -> InvalidRequest:
    return InvalidRequest([FieldError(pointer, code, detail)])
