"""Convert Pydantic's validation errors to field errors with JSON pointers, stable codes and messages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flows.errors import FieldError, InvalidRequest, escape_pointer, sentence

Location = Sequence[str | int]
UnknownField = Callable[[Location], str | None]

_PYDANTIC_MISSING = "Field required"
_NOT_AN_OBJECT = ("model_type", "model_attributes_type", "dict_type")
# Maps Pydantic's error types to codes and messages. If one of our own validators raises ValueError, the code
# is "invalid". If it raises PydanticCustomError, the code is the type of the error.
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
    errors: Sequence[Mapping[str, Any]], unknown_field: UnknownField = lambda _: None, at: str = ""
) -> list[FieldError]:
    """Convert the errors of a ValidationError. `at` is the JSON pointer of the validated value.

    `unknown_field` returns the message for an unknown field, or None for the default message.
    """
    return [field_error for error in errors for field_error in _translated(error, unknown_field, at)]


def json_pointer(location: Location) -> str:
    """Return the RFC 6901 JSON pointer for a location, such as `/filters/utm` or `/notify/0/url`."""
    return "".join(f"/{escape_pointer(str(step))}" for step in location)


def _translated(error: Mapping[str, Any], unknown_field: UnknownField, at: str) -> list[FieldError]:
    kind, location, context = error["type"], error["loc"], error.get("ctx") or {}
    pointer = at + json_pointer(location)
    if kind == "extra_forbidden" and (text := unknown_field(location)) is not None:
        return [FieldError(pointer, "unknown", text)]
    if kind == "value_error":
        return _raised(pointer, context["error"])
    if not pointer and kind in (*_NOT_AN_OBJECT, "missing"):
        return [FieldError("", "type", "The body must be a JSON object.")]
    if kind not in _TABLE or (kind == "missing" and error["msg"] != _PYDANTIC_MISSING):
        return [FieldError(pointer, kind, error["msg"])]
    code, text = _TABLE[kind]
    return [FieldError(pointer, code, text.format(**context))]


def _raised(pointer: str, error: ValueError) -> list[FieldError]:
    """Convert an error from one of our own validators.

    The validator of a nested value may report several errors. Their pointers are relative to that value.
    """
    if isinstance(error, InvalidRequest):
        return [replace(nested, pointer=pointer + nested.pointer) for nested in error.errors]
    return [FieldError(pointer, "invalid", sentence(error))]
