"""Encode and decode cursors of the table.

A cursor contains the sort values of the last row on a page and identifies the request that it belongs to.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from api.web.queries import from_cursor, to_cursor
from api.web.strict_json import check_text
from flows.errors import InvalidRequest
from flows.query.filter_values import parse_integer
from flows.query.report import type_name
from flows.query.request import ExportRequest
from flows.query.statement import OrderTerm

_READERS: dict[str, Callable[[str], Any]] = {
    "date-time": lambda text: datetime.fromisoformat(text).astimezone(UTC),
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "number": Decimal,
    "uuid": UUID,
}


def encode(request: ExportRequest, values: Sequence[Any]) -> str:
    texts = [value if isinstance(value, bool | int | str | None) else str(value) for value in values]
    content = json.dumps([_request_id(request), *texts], separators=(",", ":"))
    return to_cursor(content.encode())


def decode(text: str, request: ExportRequest, terms: Sequence[OrderTerm]) -> list[Any]:
    """Return the sort values in the cursor.

    Raises InvalidRequest if the cursor is malformed or belongs to another request.
    """
    try:
        content = json.loads(from_cursor(text))
        if not isinstance(content, list) or content[0] != _request_id(request):
            raise ValueError
        return [_value(value, term) for value, term in zip(content[1:], terms, strict=True)]
    except (ValueError, IndexError, ArithmeticError, RecursionError):
        detail = "The cursor is malformed or belongs to another request."
        raise InvalidRequest.at("/cursor", "invalid", detail) from None


def _request_id(request: ExportRequest) -> str:
    return request.fingerprint[:16]


def _value(value: Any, term: OrderTerm) -> Any:
    if value is None:
        return None
    kind = type_name(term.expression.type)
    if kind == "integer":
        return parse_integer(value, bits=64)
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind == "boolean" or not isinstance(value, str):
        raise ValueError
    check_text(value, "/cursor")
    return _READERS[kind](value) if kind in _READERS else value
