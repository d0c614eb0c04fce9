"""Compare SQLite's timestamps as instants instead of as text.

SQLite stores timestamps as text, in the format of the application that wrote them. For example,
`2024-07-19 00:00:00`, `2024-07-19T00:00:00Z` and `2024-07-19T02:00:00.000+02:00` are different texts for the
same instant. A text that is not a valid timestamp matches every condition, so that reading the row raises an
error.
"""

from typing import Any

from sqlalchemy import (
    REAL,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Integer,
    Text,
    case,
    cast,
    func,
    literal_column,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

_DIGIT = "[0-9]"
_DATE = "-".join([_DIGIT * 4, _DIGIT * 2, _DIGIT * 2])
# The format in which SQLAlchemy writes timestamps. Only other formats need a conversion. A stricter pattern
# with a digit class for every digit would take five times as long. Any other text that matches this pattern
# is rejected when it is read.
_SQLALCHEMY_FORMAT = f"????-??-?? ??:??:??.?????{_DIGIT}"
_OFFSET = f"*[+-]{_DIGIT * 2}:{_DIGIT * 2}"


def stores_text(kind: TypeEngine[Any]) -> bool:
    """Return whether SQLite stores this type as ISO text.

    A custom type or storage format may store something else.
    """
    if not isinstance(kind, DateTime | Date) or not type(kind).__module__.startswith("sqlalchemy."):
        return False
    return "sqlite" not in kind._variant_mapping and not {"_storage_format", "_reg"} & vars(kind).keys()


def comparable(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return an expression that compares and sorts like the values of the column."""
    return Comparable(column) if stores_text(column.type) else column


def matching(condition: ColumnElement[bool], column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Extend the condition to values that are invalid for the column that it compares."""
    return Matching(condition, column) if stores_text(column.type) else condition


class Comparable(FunctionElement[Any]):
    name = "comparable"
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)
        self.type = column.type


class Matching(FunctionElement[bool]):
    name = "matching"
    type = Boolean()
    inherit_cache = True


@compiles(Comparable)
@compiles(Matching)
def _unchanged(element: Comparable | Matching, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(next(iter(element.clauses)), **options)


@compiles(Comparable, "sqlite")
def _comparable_on_sqlite(element: Comparable, compiler: SQLCompiler, **options: Any) -> str:
    (column,) = element.clauses
    is_instant = isinstance(element.type, DateTime)
    return compiler.process(_instant(column) if is_instant else _day(column), **options)


@compiles(Matching, "sqlite")
def _matching_on_sqlite(element: Matching, compiler: SQLCompiler, **options: Any) -> str:
    condition, column = element.clauses
    return compiler.process(func.coalesce(condition, column.is_not(None)), **options)


def _instant(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Convert the timestamp to SQLAlchemy's format, in UTC, or to null if SQLite cannot read it."""
    text = cast(column, Text)
    point = func.instr(text, _quoted("."))
    offset = case((_is_like(text, _OFFSET), func.substr(text, _number(-6))), else_=_quoted(""))
    without_fraction = case(
        (point > _number(0), func.substr(text, _number(1), point - _number(1)).concat(offset)), else_=text
    )
    seconds = func.strftime(_quoted("%Y-%m-%d %H:%M:%S"), without_fraction)
    digits = _quoted("0.").concat(func.substr(text, point + _number(1), _number(6)))
    count = cast(func.round(cast(digits, REAL) * _number(1_000_000)), Integer)
    padded = func.substr(_quoted("00000").concat(count), _number(-6))
    microseconds = case((point > _number(0), padded), else_=_quoted("000000"))
    converted = seconds.concat(_quoted(".")).concat(microseconds)
    return case((_is_like(column, _SQLALCHEMY_FORMAT), column), (_is_like(column, f"{_DATE}*"), converted))


def _day(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((_is_like(column, _DATE), column))


def _is_like(column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    return column.op("GLOB", return_type=Boolean())(_quoted(pattern))


def _quoted(text: str) -> ColumnElement[Any]:
    return literal_column(f"'{text}'", Text)


def _number(value: int) -> ColumnElement[Any]:
    return literal_column(str(value), Integer)
