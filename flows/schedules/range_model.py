"""Define Pydantic models that validate a schedule's range.

The range comes from an API request or from the `recurring` parameter of a run.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PlainValidator, ValidationError, WithJsonSchema

from flows.errors import InvalidRequest
from flows.query import date_range
from flows.query.field_errors import field_errors
from flows.query.request_fields import DATE_PATTERN, one_of
from flows.query.request_model import RequestModel
from flows.schedules.relative_range import PRESETS, Absolute, Range, Relative, SinceLast


def _date_text(value: object) -> str:
    """Validate a date or timestamp and return it as the caller wrote it."""
    date_range.parse_date_or_timestamp(value)
    return str(value)


_Day = Annotated[
    str,
    PlainValidator(_date_text),
    WithJsonSchema({"type": "string", "format": "date-or-date-time", "pattern": DATE_PATTERN}),
]


class RelativeRange(RequestModel):
    kind: Literal["relative"]
    preset: one_of(PRESETS)  # type: ignore[valid-type]

    def as_range(self) -> Range:
        return Relative(self.preset)


class AbsoluteRange(RequestModel):
    kind: Literal["absolute"]
    from_: _Day = Field(alias="from")
    to: _Day

    def as_range(self) -> Range:
        return Absolute(self.from_, self.to)


class SinceLastRange(RequestModel):
    """A range from the end of the last successful run to the scheduled time."""

    kind: Literal["since-last"]

    def as_range(self) -> Range:
        return SinceLast()


class _UnknownRange(RequestModel):
    model_config = ConfigDict(extra="allow")

    kind: Literal["relative", "absolute", "since-last"]

    def as_range(self) -> Range:
        raise AssertionError("every kind has its own model")


_MODELS: dict[str, type[RelativeRange | AbsoluteRange | SinceLastRange]] = {
    "relative": RelativeRange,
    "absolute": AbsoluteRange,
    "since-last": SinceLastRange,
}


def read_range(value: Any) -> Range:
    """Parse a range.

    Raises ValidationError with all errors in the range.
    """
    kind = value.get("kind") if isinstance(value, dict) else None
    model = _MODELS.get(kind) if isinstance(kind, str) else None
    return (model or _UnknownRange).model_validate(value).as_range()


RangeField = Annotated[
    Range, PlainValidator(read_range, json_schema_input_type=RelativeRange | AbsoluteRange | SinceLastRange)
]


def parse_range(value: object, pointer: str = "/range") -> Range:
    """Parse a range.

    Raises InvalidRequest with all errors in the range. `pointer` is the location of the range in the body.
    """
    try:
        return read_range(value)
    except ValidationError as error:
        raise InvalidRequest(field_errors(error.errors(include_url=False), at=pointer)) from None
