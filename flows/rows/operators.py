"""List the filter operators for each column type."""

from typing import Any

from sqlalchemy import types as sql
from sqlalchemy.dialects import mysql

from flows.rows.columns import type_name

FILTERABLE = ("string", "boolean", "integer", "number", "date", "date-time", "uuid")
RANGES = ("gte", "gt", "lte", "lt")
EXCLUSIONS = ("not", "null")
OPERATORS = (*RANGES, "contains", *EXCLUSIONS)


def operators_of(kind: sql.TypeEngine[Any]) -> tuple[str, ...]:
    """Return the operators that a filter on a column of this type allows in addition to plain values."""
    if type_name(kind) in ("integer", "number", "date", "date-time"):
        return RANGES + EXCLUSIONS
    is_text = isinstance(kind, sql.String) and not isinstance(kind, sql.Enum | mysql.SET)
    return ("contains", *EXCLUSIONS) if is_text else EXCLUSIONS
