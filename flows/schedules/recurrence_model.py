"""Define Pydantic models that validate the recurrence in a schedule request."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field, PlainValidator, ValidationError, ValidationInfo, WithJsonSchema

from flows.errors import FieldError, InvalidRequest
from flows.query.field_errors import field_errors
from flows.query.request_fields import TimeZone
from flows.query.request_model import RequestModel
from flows.schedules.recurrence import (
    KINDS,
    MAX_LENGTH,
    Recurrence,
    every_text,
    parse_anchor,
    parse_cron,
    parse_every,
    parse_rrule,
)

_EVERY_PATTERN = r"^P(\d{1,4}W|\d{1,4}D|T(\d{1,5}H)?(\d{1,6}M)?)$"


def _read_rrule(text: object, info: ValidationInfo) -> str:
    return parse_rrule(text, _now(info), info.data.get("time_zone") or ZoneInfo("UTC"))


def _read_every(text: object) -> str:
    return every_text(parse_every(text))


def _now(info: ValidationInfo) -> datetime:
    assert info.context is not None  # noqa: S101 - read_recurrence passes it
    now: datetime = info.context["now"]
    return now


def _schema(format_: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "format": format_, **more})


_LENGTH = {"minLength": 1, "maxLength": MAX_LENGTH}


class _Recurrence(RequestModel):
    time_zone: TimeZone | None = Field(None, description="IANA time zone of the slots. Defaults to UTC.")

    @property
    def zone(self) -> ZoneInfo:
        return self.time_zone or ZoneInfo("UTC")


class CronRecurrence(_Recurrence):
    cron: Annotated[str, PlainValidator(parse_cron), _schema("cron", **_LENGTH)] = Field(
        description="Five fields: minute, hour, day, month, weekday. Runs must be at least 15 minutes apart."
    )

    def as_recurrence(self, now: datetime) -> Recurrence:
        return Recurrence("cron", self.cron, self.zone)


class RruleRecurrence(_Recurrence):
    rrule: Annotated[str, PlainValidator(_read_rrule), _schema("rrule", **_LENGTH)] = Field(
        description="One RFC 5545 rule that recurs at most daily, optionally after a DTSTART in local time."
    )

    def as_recurrence(self, now: datetime) -> Recurrence:
        return Recurrence("rrule", self.rrule, self.zone)


class IntervalRecurrence(_Recurrence):
    every: Annotated[
        str, PlainValidator(_read_every), _schema("duration-of-minutes", pattern=_EVERY_PATTERN)
    ] = Field(description="ISO 8601 duration of at least 15 minutes, such as `P2W`, `P1D` or `PT1H30M`.")
    anchor: Annotated[datetime, PlainValidator(parse_anchor), _schema("date-time")] | None = Field(
        None, description="A slot from which `every` counts. Defaults to the time of the request."
    )

    def as_recurrence(self, now: datetime) -> Recurrence:
        return Recurrence("every", self.every, self.zone, self.anchor or now.replace(microsecond=0))


_MODELS: dict[str, type[CronRecurrence] | type[RruleRecurrence] | type[IntervalRecurrence]] = {
    "cron": CronRecurrence,
    "rrule": RruleRecurrence,
    "every": IntervalRecurrence,
}
RecurrenceBody = CronRecurrence | RruleRecurrence | IntervalRecurrence


def read_recurrence(value: Any, now: datetime) -> Recurrence:
    """Parse a recurrence. The anchor of an `every` rule defaults to `now`.

    Raises ValidationError or InvalidRequest if the recurrence is invalid.
    """
    if not isinstance(value, dict):
        return CronRecurrence.model_validate(value).as_recurrence(now)
    may_be_null = (*KINDS, "anchor")
    value = {name: item for name, item in value.items() if item is not None or name not in may_be_null}
    kinds = [kind for kind in KINDS if kind in value]
    if len(kinds) != 1:
        code = "range" if kinds else "missing"
        raise InvalidRequest([FieldError("", code, "Set exactly one of `cron`, `rrule` and `every`.")])
    return _MODELS[kinds[0]].model_validate(value, context={"now": now}).as_recurrence(now)


def parse_recurrence(value: object, now: datetime, pointer: str = "/recurrence") -> Recurrence:
    """Parse a recurrence.

    Raises InvalidRequest with all errors in the recurrence. `pointer` is the location of the recurrence in
    the body.
    """
    try:
        return read_recurrence(value, now)
    except ValidationError as error:
        errors = field_errors(error.errors(include_url=False), at=pointer)
    except InvalidRequest as error:
        errors = [replace(nested, pointer=pointer + nested.pointer) for nested in error.errors]
    raise InvalidRequest(errors)
