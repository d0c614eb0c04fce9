"""Encode and decode cursors for the pages of a table.

A cursor contains the sort values of the last row on a page, as the database returned them. It also identifies
the request that it belongs to.
"""

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from api.web.queries import from_cursor, to_cursor
from api.web.strict_json import check_text
from flows.errors import InvalidRequest
from flows.query.request import ExportRequest
from flows.query.statement import OrderTerm

_MAX_INTEGER = 1 << 64
# Encoders and decoders for driver types that JSON lacks. The keys are the names of these types in cursors.
_TYPES: dict[str, tuple[type, Callable[[Any], str], Callable[[str], Any]]] = {
    "number": (Decimal, str, Decimal),
    "bytes": (bytes, bytes.hex, bytes.fromhex),
    "date-time": (datetime, datetime.isoformat, datetime.fromisoformat),
    "date": (date, date.isoformat, date.fromisoformat),
    "time": (time, time.isoformat, time.fromisoformat),
    "uuid": (UUID, str, UUID),
}


def encode(request: ExportRequest, values: Sequence[Any]) -> str:
    content = [_request_id(request), *map(_written, values)]
    return to_cursor(json.dumps(content, separators=(",", ":")).encode())


def decode(text: str, request: ExportRequest, terms: Sequence[OrderTerm]) -> list[Any]:
    """Return the sort values in the cursor.

    Raises InvalidRequest if the cursor is malformed or belongs to another request.
    """
    try:
        content = json.loads(from_cursor(text))
        if not isinstance(content, list) or content[0] != _request_id(request):
            raise ValueError
        return [_read(value) for value, _ in zip(content[1:], terms, strict=True)]
    except (ValueError, IndexError, ArithmeticError, RecursionError):
        raise malformed() from None


def malformed() -> InvalidRequest:
    return InvalidRequest.at("/cursor", "invalid", "The cursor is malformed or belongs to another request.")


def _request_id(request: ExportRequest) -> str:
    return request.fingerprint[:16]


def _written(value: Any) -> Any:
    if isinstance(value, bool | int | float | str | None):
        return value
    for name, (kind, write, _) in _TYPES.items():
        if isinstance(value, kind):
            return [name, write(value)]
    return str(value)


def _read(value: Any) -> Any:
    if isinstance(value, list):
        name, text = value
        if not isinstance(name, str) or name not in _TYPES or not isinstance(text, str):
            raise ValueError
        return _TYPES[name][2](text)
    if isinstance(value, str):
        check_text(value, "/cursor")
    elif isinstance(value, dict) or (isinstance(value, int) and abs(value) >= _MAX_INTEGER):
        raise ValueError
    return value
