"""Pydantic's validation errors as field errors: JSON pointers, stable codes, sentences for people."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from flows.errors import FieldError, InvalidRequest, escape_pointer, sentence

Location = Sequence[str | int]

_NOT_AN_OBJECT = ("model_type", "model_attributes_type", "dict_type")
# The code and the sentence of each Pydantic error type. Our own validators raise ValueError ("invalid") or
# PydanticCustomError, whose type is the code and whose message is the sentence.
_TABLE: Mapping[str, tuple[str, str]] = {
    "missing": ("missing", "This field is required."),
    "extra_forbidden": ("unknown", "Unknown field."),
    "bool_type": ("type", "Must be true or false."),
    "string_type": ("type", "Must be a string."),
    "list_type": ("type", "Must be a list."),
    **dict.fromkeys(_NOT_AN_OBJECT, ("type", "Must be a JSON object.")),
    "literal_error": ("invalid", "Must be one of {expected}."),
    "too_short": ("length", "Must have at least {min_length} items."),
    "too_long": ("length", "Must have at most {max_length} items."),
}


def field_errors(
    errors: Sequence[Mapping[str, Any]], unknown_field: Callable[[Location], str | None] = lambda _: None
) -> list[FieldError]:
    """Translate `ValidationError.errors()`; `unknown_field` returns a better sentence for a name."""
    return [field for error in errors for field in _translated(error, unknown_field)]


def invalid_request(error: ValidationError) -> InvalidRequest:
    return InvalidRequest(field_errors(error.errors(include_url=False, include_input=False)))


def json_pointer(location: Location) -> str:
    """Return the RFC 6901 pointer, such as `/filters/utm` or `/notify/0/url`."""
    return "".join(f"/{escape_pointer(str(step))}" for step in location)


def _translated(
    error: Mapping[str, Any], unknown_field: Callable[[Location], str | None]
) -> list[FieldError]:
    kind, location, context = error["type"], error["loc"], error.get("ctx") or {}
    pointer = json_pointer(location)
    if kind == "extra_forbidden" and (text := unknown_field(location)) is not None:
        return [FieldError(pointer, "unknown", text)]
    if kind == "value_error":
        return _from_validator(pointer, context["error"])
    if kind in _NOT_AN_OBJECT and not location:
        return [FieldError("", "type", "The body must be a JSON object.")]
    code, text = _TABLE.get(kind, (kind, error["msg"]))
    return [FieldError(pointer, code, text.format(**context))]


def _from_validator(pointer: str, error: ValueError) -> list[FieldError]:
    """Return the errors of our own validator, which may report several below its field."""
    if isinstance(error, InvalidRequest):
        return [replace(field, pointer=pointer + field.pointer) for field in error.errors]
    return [FieldError(pointer, "invalid", sentence(error))]
