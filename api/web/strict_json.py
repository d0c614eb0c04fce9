"""Decode JSON strictly (RFC 8259 and RFC 7493).

NaN, infinities, duplicate keys, NUL characters and lone surrogates are rejected.
"""

import json
from typing import Any, NoReturn

from flows.errors import FieldError, InvalidRequest, escape_pointer

MAX_BYTES = 64 << 10
MAX_DEPTH = 16


def decode(body: bytes, name: str = "The body") -> Any:
    """Decode a JSON body. Error messages use `name` to refer to the body.

    Raises InvalidRequest if the body is not strict JSON.
    """
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_refuse_constant
        )
    except InvalidRequest:
        raise
    except UnicodeDecodeError:
        _refuse("", "encoding", f"{name} is not UTF-8.")
    except json.JSONDecodeError as error:
        _refuse("", "json", f"{name} is not JSON: {error.msg} at character {error.pos}.")
    except RecursionError:
        _refuse_depth("", name)
    except ValueError as error:  # for example, an integer with thousands of digits
        _refuse("", "json", f"{name} cannot be read: {error}.")
    _check(value, "", 1, name)
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            _refuse(f"/{_step(key)}", "duplicate", "The key is given twice.")
        result[key] = value
    return result


def _refuse_constant(name: str) -> NoReturn:
    _refuse("", "json", f"{name} is not JSON.")


def _check(value: Any, pointer: str, depth: int, name: str) -> None:
    if depth > MAX_DEPTH and isinstance(value, list | dict):
        _refuse_depth(pointer, name)
    if isinstance(value, str):
        check_text(value, pointer)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check(item, f"{pointer}/{number}", depth + 1, name)
    elif isinstance(value, dict):
        for key, item in value.items():
            check_text(key, pointer)
            _check(item, f"{pointer}/{_step(key)}", depth + 1, name)


def check_text(text: str, pointer: str) -> None:
    if "\0" in text:
        _refuse(pointer, "text", "Must not contain a NUL character.")
    try:
        text.encode()
    except UnicodeEncodeError:
        _refuse(pointer, "text", "Must not contain a lone surrogate.")


def _step(key: str) -> str:
    """Escape a key for use in a JSON pointer. Lone surrogates become question marks."""
    return escape_pointer(key.encode("utf-8", "replace").decode())


def _refuse_depth(pointer: str, name: str) -> NoReturn:
    _refuse(pointer, "depth", f"{name} is nested deeper than {MAX_DEPTH} levels.")


def _refuse(pointer: str, code: str, detail: str) -> NoReturn:
    raise InvalidRequest([FieldError(pointer, code, detail)])
