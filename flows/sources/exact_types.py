"""How each column is read, so that Python gets exactly what the database holds. Pure."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ARRAY,
    CHAR,
    ColumnElement,
    Dialect,
    Enum,
    Float,
    Interval,
    Numeric,
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
from flows.rows.columns import OutputColumn

# Of PostgreSQL's own types, those that Python has exact values for.
_EXACT_IN_PYTHON = (
    postgresql.BYTEA,
    postgresql.DATE,
    postgresql.DOUBLE_PRECISION,
    postgresql.JSON,
    postgresql.TIMESTAMP,
    postgresql.UUID,
)


def read(column: OutputColumn) -> ColumnElement[Any]:
    expression = column.expression
    kind = expression.type
    if column.question is not None:
        return DatabaseText(expression, Text())
    if isinstance(kind, Enum):
        return type_coerce(expression, String)  # the name that is stored, not Python's member
    if isinstance(kind, Numeric) and not isinstance(kind, Float) and kind.asdecimal:
        return type_coerce(expression, ExactDecimal(kind.precision, kind.scale))
    if isinstance(kind, Interval):
        return DatabaseText(expression, IntervalText())
    if isinstance(kind, Time) and kind.timezone:
        return DatabaseText(expression, kind)
    return text_of(expression) if _is_postgresqls_own(kind) else expression


def text_of(expression: ColumnElement[Any]) -> ColumnElement[Any]:
    """As COPY writes it. A cast would take the blanks at the end of a CHAR, and add `/32` to an address."""
    if isinstance(expression.type, String) and not isinstance(expression.type, CHAR | Enum):
        return cast(expression, Text)
    return case((expression.is_not(None), func.concat(expression, type_=Text)))


def _is_postgresqls_own(kind: TypeEngine[Any]) -> bool:
    """Arrays, ranges, intervals, addresses: as text, as COPY writes them."""
    module = type(kind).__module__
    own = module.startswith(postgresql.__name__) and not isinstance(kind, _EXACT_IN_PYTHON)
    return own or isinstance(kind, ARRAY)


class DatabaseText(FunctionElement[Any]):
    """The text that PostgreSQL gives a value; other databases give the value as they keep it."""

    inherit_cache = True

    def __init__(self, expression: ColumnElement[Any], type_: TypeEngine[Any]) -> None:
        super().__init__(expression)
        self.type = type_


@compiles(DatabaseText)
def _as_it_is(element: DatabaseText, compiler: SQLCompiler, **options: Any) -> str:
    (expression,) = element.clauses
    return compiler.process(expression, **options)


@compiles(DatabaseText, "postgresql")
def _as_text(element: DatabaseText, compiler: SQLCompiler, **options: Any) -> str:
    (expression,) = element.clauses
    # As the type itself prints, and so does COPY: a cast would add /32 to an address.
    printed = case((expression.is_not(None), func.concat(expression, type_=Text)))
    return compiler.process(printed, **options)


class ExactDecimal(TypeDecorator[Decimal]):
    """SQLite keeps decimals as whole numbers or floats; SQLAlchemy would make floats of both."""

    impl = Numeric
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        if dialect.name != "sqlite":
            return super().result_processor(dialect, coltype)
        scale = self.impl_instance.scale  # type: ignore[attr-defined]
        return lambda value: _decimal(value, scale)


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


def _interval(value: timedelta | None) -> str | None:
    return None if value is None else interval_text(value)
