"""Build SQL expressions that read each column exactly as the database stores it."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ARRAY,
    CHAR,
    ColumnElement,
    Date,
    DateTime,
    Dialect,
    Enum,
    Float,
    Interval,
    Numeric,
    PickleType,
    String,
    Text,
    Time,
    TypeDecorator,
    case,
    cast,
    func,
    type_coerce,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from flows.formats.cell_text import interval_text
from flows.query.comparison import stores_text
from flows.rows.columns import OutputColumn

# Only formats of timestamps that SQLite itself can compare.
_TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-](0\d|1[0-4]):[0-5]\d)?)?", re.ASCII
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# PostgreSQL types whose values Python can represent exactly.
_EXACT_IN_PYTHON = (
    postgresql.BYTEA,
    postgresql.DATE,
    postgresql.DOUBLE_PRECISION,
    postgresql.JSON,
    postgresql.TIMESTAMP,
    postgresql.UUID,
)


def is_standard(kind: TypeEngine[Any]) -> bool:
    """Return whether this is a built-in SQLAlchemy type with a known conversion.

    PickleType is excluded because it can return any Python object.
    """
    return type(kind).__module__.startswith("sqlalchemy.") and not isinstance(kind, PickleType)


def exact_expression(column: OutputColumn) -> ColumnElement[Any]:
    expression = column.expression
    kind = expression.type
    if column.question is not None:
        return DatabaseText(expression, Text())
    if isinstance(kind, Enum):
        return type_coerce(expression, String)  # Read the stored name instead of the Python enum member.
    if isinstance(kind, Numeric) and not isinstance(kind, Float) and kind.asdecimal:
        return type_coerce(expression, ExactDecimal(kind.precision, kind.scale))
    if stores_text(kind):
        exact = ExactTimestamp(kind.timezone) if isinstance(kind, DateTime) else ExactDate()
        return type_coerce(expression, exact)
    if isinstance(kind, Interval):
        return DatabaseText(expression, IntervalText())
    if isinstance(kind, Time) and kind.timezone:
        return DatabaseText(expression, kind)
    return text_of(expression) if _is_postgresql_specific(kind) else expression


def text_of(expression: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return an expression for the text that COPY would print.

    A cast would strip the trailing spaces of a CHAR and append /32 to an inet.
    """
    if isinstance(expression.type, String) and not isinstance(expression.type, CHAR | Enum):
        return cast(expression, Text)
    return case((expression.is_not(None), func.concat(expression, type_=Text)))


def _is_postgresql_specific(kind: TypeEngine[Any]) -> bool:
    """Return whether the type is read as text.

    This applies to arrays, ranges and network addresses, for example.
    """
    is_specific = type(kind).__module__.startswith(postgresql.__name__)
    return isinstance(kind, ARRAY) or (is_specific and not isinstance(kind, _EXACT_IN_PYTHON))


class DatabaseText(FunctionElement[Any]):
    """An expression that is rendered as text on PostgreSQL and unchanged on other databases."""

    inherit_cache = True

    def __init__(self, expression: ColumnElement[Any], type_: TypeEngine[Any]) -> None:
        super().__init__(expression)
        self.type = type_


@compiles(DatabaseText)
def _stored_value(element: DatabaseText, compiler: SQLCompiler, **options: Any) -> str:
    (expression,) = element.clauses
    return compiler.process(expression, **options)


@compiles(DatabaseText, "postgresql")
def _as_text(element: DatabaseText, compiler: SQLCompiler, **options: Any) -> str:
    (expression,) = element.clauses
    # concat() uses the type's own output function, as COPY does. A cast would append /32 to an inet.
    printed = case((expression.is_not(None), func.concat(expression, type_=Text)))
    return compiler.process(printed, **options)


class ExactDecimal(TypeDecorator[Decimal]):
    """Exact decimals on SQLite.

    SQLite stores decimals as integers or floats, and SQLAlchemy would convert both to float.
    """

    impl = Numeric
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        if dialect.name != "sqlite":
            return super().result_processor(dialect, coltype)
        scale = self.impl_instance.scale  # type: ignore[attr-defined]
        return lambda value: _decimal(value, scale)


class ExactTimestamp(TypeDecorator[datetime]):
    """Timestamps that SQLite stores in any ISO format, read as naive UTC."""

    impl = DateTime
    cache_ok = True

    def __init__(self, timezone: bool) -> None:
        super().__init__(timezone=timezone)
        self.timezone = timezone

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return _timestamp if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


class ExactDate(TypeDecorator[date]):
    impl = Date
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return _date if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


class IntervalText(TypeDecorator[str]):
    impl = Interval
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        if dialect.name == "postgresql":
            return None
        read = Interval().dialect_impl(dialect).result_processor(dialect, coltype)
        return lambda value: _interval(read(value) if read else value)


def _decimal(value: int | float | str | None, scale: int | None) -> Decimal | None:
    if value is None:
        return None
    if scale is None or isinstance(value, str):
        return Decimal(repr(value) if isinstance(value, float) else value)
    if isinstance(value, int):
        return Decimal(f"{value}.{'0' * scale}" if scale else value)
    return Decimal(f"{value:.{scale}f}")


def _timestamp(text: str | None) -> datetime | None:
    if text is None:
        return None
    if not _TIMESTAMP.fullmatch(text):
        raise ValueError("not a timestamp that can be compared")
    value = datetime.fromisoformat(text.upper())
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)


def _date(text: str | None) -> date | None:
    if text is None:
        return None
    if not _DAY.fullmatch(text):
        raise ValueError("not a date that can be compared")
    return date.fromisoformat(text)


def _interval(value: timedelta | None) -> str | None:
    return None if value is None else interval_text(value)
