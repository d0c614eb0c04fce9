"""Validate the request bodies that create, preview or change a schedule.

The models need a validation context. It contains the caller's `reports`, the `report` to export, the current
time `now`, and the operator's settings for `webhooks`.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, PlainValidator, ValidationError, ValidationInfo
from pydantic_core import PydanticCustomError

from api.schedules import timetable
from api.schedules.notify import NotifyField, Webhooks
from api.schedules.spec import ScheduleSpec
from api.web.validation import validated
from flows.errors import FieldError, InvalidRequest
from flows.query.report import Report
from flows.query.request import (
    ExportRequest,
    parse_stored_request,
    request_errors,
    requested_report,
    stored_body,
)
from flows.query.request_fields import Name
from flows.query.request_model import RequestModel, any_report_model, request_model
from flows.schedules import recurrence
from flows.schedules.parameters import request_for_run
from flows.schedules.range_model import AbsoluteRange, RelativeRange, SinceLastRange, read_range
from flows.schedules.recurrence import Recurrence
from flows.schedules.recurrence_model import RecurrenceBody, read_recurrence
from flows.schedules.relative_range import Range

# These fields can be changed even if other fields are now invalid, for example after a report was removed.
ALWAYS_CHANGEABLE = frozenset({"name", "enabled"})


def _context(info: ValidationInfo, name: str) -> Any:
    assert info.context is not None  # noqa: S101 - parse_schedule passes it
    return info.context[name]


def _read_recurrence(value: object, info: ValidationInfo) -> Recurrence:
    rule = read_recurrence(value, _context(info, "now"))
    if rule.kind == "cron":
        timetable.check_cron(rule, pointer="")
    return rule


def _read_export(value: object, info: ValidationInfo) -> dict[str, Any]:
    """Validate a request that has no dates, and return it without its null fields."""
    if not isinstance(value, dict):
        raise PydanticCustomError(
            "type", "Must be a JSON object that contains the request without `from` and `to`."
        )
    reports = _context(info, "reports")
    report = requested_report(value, reports)
    model = request_model(report, dates=False) if report is not None else any_report_model(dates=False)
    try:
        model.model_validate(value, context={"reports": reports})
    except ValidationError as error:
        raise InvalidRequest(request_errors(error, report)) from None
    return stored_body(report, value) if report is not None else value


def _read_range(value: object, info: ValidationInfo) -> Range | None:
    report = _context(info, "report")
    if report is None or report.period is not None:
        if value is None:
            raise PydanticCustomError("missing", "Choose the dates that each run covers.")
        return read_range(value)
    if value is not None:
        raise PydanticCustomError("unknown", "This report has no dates. Omit `range`.")
    return None


_RecurrenceField = Annotated[
    Recurrence, PlainValidator(_read_recurrence, json_schema_input_type=RecurrenceBody)
]
_ExportField = Annotated[
    dict[str, Any],
    PlainValidator(_read_export, json_schema_input_type=any_report_model(dates=False)),
]
_RangeField = Annotated[
    Range | None,
    PlainValidator(_read_range, json_schema_input_type=RelativeRange | AbsoluteRange | SinceLastRange | None),
]
_RANGE = "The dates that a run covers, computed from its scheduled time."
_NAME = "Name to show to users."


class SchedulePreview(RequestModel):
    name: Name | None = Field(None, description=_NAME)
    enabled: bool | None = Field(None, description="Defaults to true.")
    recurrence: _RecurrenceField
    range: _RangeField = Field(None, description=_RANGE, validate_default=True)
    export: _ExportField = Field(description="The request without its dates.")
    only_if_rows: bool | None = Field(None, description="Skip the file if there are no rows.")
    notify: NotifyField | None = None


class NewSchedule(SchedulePreview):
    name: Name = Field(description=_NAME)


class ScheduleChange(RequestModel):
    """A change to a schedule. Omitted fields keep their values."""

    name: Name = Field("", description=_NAME)
    enabled: bool | None = Field(None, description="false pauses the schedule, true resumes it.")
    recurrence: _RecurrenceField | None = None
    range: _RangeField = Field(None, description=_RANGE)
    export: _ExportField | None = Field(None, description="The request without its dates.")
    only_if_rows: bool | None = None
    notify: NotifyField | None = None


def parse_schedule(
    body: object,
    reports: Mapping[str, Report],
    now: datetime,
    webhooks: Webhooks,
    needs_name: bool = True,
) -> tuple[ScheduleSpec, ExportRequest]:
    """Validate the body. Return the schedule and the export request for a hypothetical run at `now`.

    Raises InvalidRequest with all errors.
    """
    model = NewSchedule if needs_name else SchedulePreview
    report = requested_report(body.get("export"), reports) if isinstance(body, dict) else None
    values = validated(model, body, reports=reports, report=report, now=now, webhooks=webhooks)
    spec = ScheduleSpec(
        name=values.name or "",
        enabled=values.enabled is not False,
        recurrence=values.recurrence,
        range=values.range,
        export=values.export,
        only_if_rows=bool(values.only_if_rows),
        notify=values.notify or (),
    )
    return spec, _request_at(spec, reports, now)


def rename_or_pause(spec: ScheduleSpec, change: Any) -> ScheduleSpec:
    """Apply a change that contains only ALWAYS_CHANGEABLE fields."""
    values = validated(ScheduleChange, change)
    enabled = spec.enabled if values.enabled is None else values.enabled
    return replace(spec, name=values.name or spec.name, enabled=enabled)


def _request_at(spec: ScheduleSpec, reports: Mapping[str, Report], now: datetime) -> ExportRequest:
    """Return the export request for a hypothetical run at `now`.

    Raises InvalidRequest with pointers into the schedule's request body.
    """
    since = now - recurrence.MIN_INTERVAL  # go back one interval so that the `since-last` range is not empty
    try:
        return parse_stored_request(request_for_run(spec.export, spec.recurring(since), now, None), reports)
    except InvalidRequest as error:
        raise InvalidRequest([_in_schedule_body(item) for item in error.errors]) from None


def _in_schedule_body(error: FieldError) -> FieldError:
    pointer = "/range" if error.pointer in ("/from", "/to") else f"/export{error.pointer}"
    return FieldError(pointer, error.code, error.detail)
