"""Bind the values of filters, periods and cursors so that each database compares them exactly.

PostgreSQL receives each value as text and parses it as the column's type, regardless of the type that the
report declares. For example, `0.1` works for `real`, `numeric` and `money` columns. Other databases receive
values in the driver's native types.
"""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Dialect,
    Enum,
    Integer,
    Interval,
    Numeric,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    Uuid,
    case,
    cast,
    func,
    literal,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeEngine, UserDefinedType

from flows.query.date_range import DateRange


class Verbatim(UserDefinedType[str]):
    """Untyped text that PostgreSQL parses as the type of the other operand."""

    cache_ok = True


class Bound(TypeDecorator[Any]):
    """A value to compare with a column of type `kind`."""

    impl = NullType
    cache_ok = True

    def __init__(self, kind: TypeEngine[Any]) -> None:
        super().__init__()
        self.kind = kind

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return Verbatim()
        return String() if self._is_hexadecimal(dialect) else _driver_type(self.kind)

    def _is_hexadecimal(self, dialect: Dialect) -> bool:
        """Return whether `comparison.Shown` compares values of this type as hexadecimal digits."""
        return isinstance(self.kind, Uuid) and dialect.name in ("sqlite", "mysql", "mariadb")

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        is_zoned = bool(getattr(self.kind, "timezone", False))
        if isinstance(value, datetime) and not (is_zoned and dialect.name == "postgresql"):
            value = value.astimezone(UTC).replace(tzinfo=None)
        if isinstance(value, UUID) and self._is_hexadecimal(dialect):
            return value.hex
        return _text(value) if dialect.name == "postgresql" else value


def bound(column: ColumnElement[Any], value: Any) -> ColumnElement[Any]:
    """Return the value as a bind parameter that can be compared with the column."""
    kind = column.type
    if isinstance(kind, Integer) and isinstance(value, int) and not _fits(kind, value):
        return literal(value, BigInteger() if _fits(BigInteger(), value) else Numeric(asdecimal=False))
    is_custom = not type(kind).__module__.startswith("sqlalchemy.")
    return literal(value, kind if is_custom else Bound(kind))


def _fits(kind: Integer, value: int) -> bool:
    """Return whether the value is within the range of the declared type.

    PostgreSQL cannot parse other values as this type, so they are compared as values of a larger type.
    """
    bits = 16 if isinstance(kind, SmallInteger) else 64 if isinstance(kind, BigInteger) else 32
    return -(1 << bits - 1) <= value < 1 << bits - 1


def bound_cursor_value(value: Any) -> ColumnElement[Any]:
    """Bind a value selected by `statement.cursor_values`. On PostgreSQL, the value is text."""
    return literal(value, Bound(NullType()))


def bound_days(
    column: ColumnElement[Any], period: DateRange, by_database: bool
) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Return the inclusive start and the exclusive end of the period.

    These bounds and the timestamps in the file must be computed with the same time zone data. PostgreSQL
    therefore computes both unless Python writes the file.
    """

    def instant(day: date | datetime, utc: datetime) -> ColumnElement[Any]:
        value = bound(column, utc)
        return value if isinstance(day, datetime) or not by_database else DayStart(column, day, period, value)

    return instant(period.first, period.start), instant(period.after, period.end)


class DayStart(FunctionElement[datetime]):
    """The first instant of a day. PostgreSQL computes it with its own time zone data."""

    name = "day_start"
    inherit_cache = True

    def __init__(
        self, column: ColumnElement[Any], day: date, period: DateRange, by_python: ColumnElement[Any]
    ) -> None:
        zone = literal(period.zone.key, Text())
        super().__init__(literal(day.isoformat(), Text()), zone, by_python)
        self.type = DateTime(timezone=bool(getattr(column.type, "timezone", False)))


@compiles(DayStart)
def _by_python(element: DayStart, compiler: SQLCompiler, **options: Any) -> str:
    *_, by_python = element.clauses
    return compiler.process(by_python, **options)


@compiles(DayStart, "postgresql")
def _by_postgresql(element: DayStart, compiler: SQLCompiler, **options: Any) -> str:
    """Start the day at the first midnight if midnight occurs twice.

    PostgreSQL itself would use the second one.
    """
    day, zone, _ = element.clauses
    midnight = cast(day, DateTime)
    second = func.timezone(zone, midnight)
    day_before = func.timezone("UTC", func.timezone("UTC", second) - timedelta(hours=24))
    offset = func.timezone(zone, day_before) - func.timezone("UTC", day_before)
    first = func.timezone("UTC", midnight - cast(offset, Interval))
    start = case((func.timezone(zone, first) == midnight, func.least(first, second)), else_=second)
    is_zoned = getattr(element.type, "timezone", False)
    return compiler.process(start if is_zoned else func.timezone("UTC", start), **options)


def _driver_type(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type that converts a value for the driver."""
    if isinstance(kind, Enum):  # A filter's choices may include values that the enum does not contain.
        return String()
    return BigInteger() if isinstance(kind, Integer) else kind


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date | time) else str(value)
