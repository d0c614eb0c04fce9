"""Build SQL expressions that read each column exactly as the database stores it."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    CHAR,
    JSON,
    Boolean,
    ColumnElement,
    DateTime,
    Enum,
    Float,
    Interval,
    LargeBinary,
    Numeric,
    PickleType,
    String,
    Text,
    Time,
    cast,
    type_coerce,
)
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from flows.query.comparison import printed, stores_text
from flows.rows.columns import OutputColumn
from flows.sources.stored_values import (
    ExactBoolean,
    ExactBytes,
    ExactDate,
    ExactDecimal,
    ExactTimestamp,
    IntervalText,
    JsonText,
    TimeOrText,
)

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
    if not is_standard(kind):
        return expression
    if isinstance(kind, Enum | mysql.SET):
        return type_coerce(expression, String)  # Read the stored name instead of the Python enum member.
    if isinstance(kind, Interval | Time | JSON):
        return DatabaseText(expression, _read_as_text(kind))
    exact = _exact_type(kind)
    if exact is not None:
        return type_coerce(expression, exact)
    return text_of(expression) if _is_postgresql_specific(kind) else expression


def _read_as_text(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    if isinstance(kind, Time):
        return Text() if kind.timezone else TimeOrText()
    return JsonText() if isinstance(kind, JSON) else IntervalText()


def _exact_type(kind: TypeEngine[Any]) -> TypeEngine[Any] | None:
    if isinstance(kind, Numeric) and not isinstance(kind, Float) and kind.asdecimal:
        return ExactDecimal(kind.precision, kind.scale)
    if stores_text(kind):
        return ExactTimestamp(kind.timezone) if isinstance(kind, DateTime) else ExactDate()
    if isinstance(kind, Boolean):
        return ExactBoolean()
    return ExactBytes() if type(kind) is LargeBinary else None


def text_of(expression: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return an expression for the text that COPY would print.

    A cast would strip trailing spaces from a CHAR and append /32 to an inet.
    """
    if isinstance(expression.type, String) and not isinstance(expression.type, CHAR | Enum):
        return cast(expression, Text)
    return printed(expression)


def _is_postgresql_specific(kind: TypeEngine[Any]) -> bool:
    """Return whether values of this type, such as arrays, ranges and network addresses, are read as text."""
    is_specific = type(kind).__module__.startswith(postgresql.__name__)
    return isinstance(kind, ARRAY) or (is_specific and not isinstance(kind, _EXACT_IN_PYTHON))


class DatabaseText(FunctionElement[Any]):
    """An expression that PostgreSQL returns as text. Most other databases return the stored value."""

    inherit_cache = True

    def __init__(self, expression: ColumnElement[Any], type_: TypeEngine[Any]) -> None:
        super().__init__(expression)
        self.type = type_


@compiles(DatabaseText)
def _stored_value(element: DatabaseText, compiler: SQLCompiler, **options: Any) -> str:
    (expression,) = element.clauses
    return compiler.process(expression, **options)


@compiles(DatabaseText, "mysql", "mariadb")
def _stored_value_or_duration(element: DatabaseText, compiler: SQLCompiler, **options: Any) -> str:
    """Read TIME values as text, because they are durations that can be negative or as long as 838 hours."""
    (expression,) = element.clauses
    value = cast(expression, mysql.CHAR) if isinstance(element.type, TimeOrText) else expression
    return compiler.process(value, **options)


@compiles(DatabaseText, "postgresql")
def _as_text(element: DatabaseText, compiler: SQLCompiler, **options: Any) -> str:
    (expression,) = element.clauses
    # concat() uses the type's own output function, as COPY does. A cast would append /32 to an inet.
    return compiler.process(printed(expression), **options)
