"""Strict JSON (RFC 8259 and RFC 7493): no NaN, no duplicate keys, no NUL, no lone surrogates."""

import json
from typing import Any, NoReturn

from flows.errors import FieldError, InvalidRequest, escape_pointer

MAX_BYTES = 64 << 10
MAX_DEPTH = 16


def decode(body: bytes) -> Any:
    """Raise InvalidRequest for what is not strict JSON; its pointer is empty where the place is unknown."""
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_refuse_constant
        )
    except InvalidRequest:
        raise
    except UnicodeDecodeError:
        _refuse("", "encoding", "The body is not UTF-8.")
    except json.JSONDecodeError as error:
        _refuse("", "json", f"The body is not JSON: {error.msg} at character {error.pos}.")
    except RecursionError:
        _refuse("", "depth", f"The body is nested deeper than {MAX_DEPTH} levels.")
    except ValueError as error:  # an integer of thousands of digits
        _refuse("", "json", f"The body cannot be read: {error}.")
    _check(value, "", 1)
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            _refuse(f"/{_step(key)}", "duplicate", "The key is given twice.")
        found[key] = value
    return found


def _refuse_constant(name: str) -> NoReturn:
    _refuse("", "json", f"{name} is not JSON.")


def _check(value: Any, pointer: str, depth: int) -> None:
    if depth > MAX_DEPTH and isinstance(value, list | dict):
        _refuse(pointer, "depth", f"The body is nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, str):
        check_text(value, pointer)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check(item, f"{pointer}/{number}", depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            check_text(key, pointer)
            _check(item, f"{pointer}/{_step(key)}", depth + 1)


def check_text(text: str, pointer: str) -> None:
    if "\0" in text:
        _refuse(pointer, "text", "Must not contain a NUL character.")
    try:
        text.encode()
    except UnicodeEncodeError:
        _refuse(pointer, "text", "Must not contain half of a surrogate pair.")


def _step(key: str) -> str:
    """Return the key as a step of a pointer, without lone surrogates."""
    return escape_pointer(key.encode("utf-8", "replace").decode())


def _refuse(pointer: str, code: str, detail: str) -> NoReturn:
    raise InvalidRequest([FieldError(pointer, code, detail)])
