"""JSON as RFC 8259 and RFC 7493 want it: no NaN, no duplicate keys, no NUL, no lone surrogates. Pure."""

import json
from typing import Any, NoReturn

from flows.errors import InvalidRequest

MAX_BYTES = 64 << 10
MAX_DEPTH = 16


def decode(body: bytes) -> Any:
    """InvalidRequest says what is wrong; its pointer is empty where the place is not known."""
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
            _refuse(f"/{_escape(key)}", "duplicate", "The key is given twice.")
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
            _check(item, f"{pointer}/{_escape(key)}", depth + 1)


def check_text(text: str, pointer: str) -> None:
    if "\0" in text:
        _refuse(pointer, "text", "It holds a NUL character.")
    try:
        text.encode()
    except UnicodeEncodeError:
        _refuse(pointer, "text", "It holds half of a surrogate pair.")


def _escape(key: str) -> str:
    shown = key.encode("utf-8", "replace").decode()
    return shown.replace("~", "~0").replace("/", "~1")


def _refuse(pointer: str, code: str, detail: str) -> NoReturn:
    raise InvalidRequest.at(pointer, code, detail)
