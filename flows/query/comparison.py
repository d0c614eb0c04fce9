"""Compare column values by what they represent, not by how they are stored.

SQLite stores timestamps as text, in the format of the application that wrote them. For example, `2024-07-19
00:00:00`, `2024-07-19T00:00:00Z` and `2024-07-19T02:00:00.000+02:00` are different strings for the same
instant. A stored value that is invalid for its column matches every condition, so that an error is raised
when the row is read.

MariaDB sorts enum values by position but compares them by name. When it compares FLOAT values, it uses more
digits than it prints.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    REAL,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Double,
    Enum,
    Float,
    Integer,
    Numeric,
    Text,
    Time,
    Uuid,
    case,
    cast,
    func,
    literal_column,
    null,
    type_coerce,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeEngine

_DIGIT = "[0-9]"
_DATE = "-".join([_DIGIT * 4, _DIGIT * 2, _DIGIT * 2])
# This pattern matches timestamps in SQLAlchemy's format. Only timestamps in other formats need a conversion.
# A pattern with a digit class for every digit would take five times as long. Text that matches this pattern
# but is not a timestamp is rejected when it is read.
_SQLALCHEMY_FORMAT = f"????-??-?? ??:??:??.?????{_DIGIT}"
_OFFSET = f"*[+-]{_DIGIT * 2}:{_DIGIT * 2}"
_MYSQL = ("mysql", "mariadb")
_MAX_LETTERS = 20  # SQLite limits the nesting of function calls.


def is_standard(kind: TypeEngine[Any]) -> bool:
    return type(kind).__module__.startswith("sqlalchemy.")


def stores_text(kind: TypeEngine[Any]) -> bool:
    """Return whether SQLite stores this type as ISO text.

    The result is false for a custom type or storage format, because such a column may contain something else.
    """
    if not isinstance(kind, DateTime | Date) or not is_standard(kind):
        return False
    return "sqlite" not in kind._variant_mapping and not {"_storage_format", "_reg"} & vars(kind).keys()


def operand(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Make operators work on the column even if SQLAlchemy declares none for its type."""
    classes = getattr(column.type, "operator_classes", None)  # SQLAlchemy 2.1 added this attribute.
    is_undeclared = classes is not None and classes.name == "UNSPECIFIED"
    return type_coerce(column, NullType()) if is_undeclared else column


def printed(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return an expression for the text that PostgreSQL prints for a value.

    concat() alone would return an empty string for null, so the expression checks for null first. The check
    uses IS DISTINCT FROM, because IS NOT NULL is false for a composite value with a null field.
    """
    return case((operand(value).is_distinct_from(null()), func.concat(value, type_=Text)))


def comparable(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return an expression that compares and sorts the column's values by what they represent, not by how
    they are stored.
    """
    return Comparable(column) if stores_text(column.type) else operand(column)


def shown(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return an expression whose `=` operator compares the values as they appear in the file."""
    has_forms = isinstance(column.type, Boolean | Float | Uuid) and is_standard(column.type)
    return Shown(column) if has_forms else comparable(column)


def ordered(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return an expression whose `<` and `>` operators compare the values as they appear in the file."""
    return Ordered(column) if _is_decimal(column.type) else shown(column)


def sortable(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return an expression for ORDER BY. Comparisons with the expression use the same order."""
    has_positions = isinstance(column.type, Boolean | Enum | mysql.SET | mysql.BIT) and is_standard(
        column.type
    )
    if has_positions:
        return Position(column)
    return Ordered(column) if _is_decimal(column.type) else comparable(column)


def _is_decimal(kind: TypeEngine[Any]) -> bool:
    return isinstance(kind, Numeric) and not isinstance(kind, Float) and is_standard(kind)


def cursor_value(expression: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return an expression that selects the exact value for a cursor. On PostgreSQL, the value is text."""
    return CursorValue(expression)


def matching(condition: ColumnElement[bool], column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Extend the condition so that it also matches stored values that are invalid for the column's type."""
    may_be_invalid = stores_text(column.type) or (
        isinstance(column.type, Boolean) and is_standard(column.type)
    )
    return Matching(condition, column) if may_be_invalid else condition


def contains(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Return a condition that matches each value that contains the text, ignoring case.

    On SQLite, lower() converts only ASCII letters, so replace() converts the other letters.
    """
    value: ColumnElement[str] = PrintedText(column)
    condition = value.icontains(text, autoescape=True)
    letters = sorted({char.lower() for char in text if _needs_replacement(char)})[:_MAX_LETTERS]
    for letter in letters:
        value = func.replace(value, letter.upper(), letter)
        text = text.replace(letter.upper(), letter)
    return OnSqlite(condition, value.icontains(text, autoescape=True)) if letters else condition


def _needs_replacement(char: str) -> bool:
    """Return whether the character's upper- and lower-case forms differ and both are outside ASCII."""
    cases = {char.lower(), char.upper()}
    return len(cases) == 2 and all(len(form) == 1 and not form.isascii() for form in cases)


class Comparable(FunctionElement[Any]):
    name = "comparable"
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)
        self.type = column.type


class Shown(Comparable):
    name = "shown"
    inherit_cache = True


class Ordered(Comparable):
    name = "ordered"
    inherit_cache = True


class Position(Comparable):
    name = "position"
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)
        self.type = column.type if isinstance(column.type, Boolean) else Integer()


class CursorValue(FunctionElement[Any]):
    name = "cursor_value"
    inherit_cache = True
    type = NullType()


class PrintedText(FunctionElement[str]):
    """The text of a value.

    On PostgreSQL, `printed` produces the text, because a cast would strip a CHAR value's trailing spaces.
    """

    name = "printed_text"
    inherit_cache = True
    type = Text()


class OnSqlite(FunctionElement[bool]):
    """A condition and its equivalent for SQLite."""

    name = "on_sqlite"
    inherit_cache = True
    type = Boolean()


class Matching(FunctionElement[bool]):
    name = "matching"
    type = Boolean()
    inherit_cache = True


@compiles(Comparable)
@compiles(CursorValue)
@compiles(OnSqlite)
@compiles(Matching)
def _unchanged(element: FunctionElement[Any], compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(next(iter(element.clauses)), **options)


@compiles(Comparable, "sqlite")
def _comparable_on_sqlite(element: Comparable, compiler: SQLCompiler, **options: Any) -> str:
    (column,) = element.clauses
    convert = next((convert for kind, convert in _MEANINGS if isinstance(element.type, kind)), None)
    return compiler.process(column if convert is None else convert(column), **options)


@compiles(OnSqlite, "sqlite")
def _second(element: OnSqlite, compiler: SQLCompiler, **options: Any) -> str:
    _, condition = element.clauses
    return compiler.process(condition, **options)


@compiles(Shown, *_MYSQL)
def _as_driver_reads(element: Shown, compiler: SQLCompiler, **options: Any) -> str:
    """Compare values as the driver reads them.

    The server prints a FLOAT of 0.1 as 0.1 but compares it as 0.10000000149.
    """
    (column,) = element.clauses
    value: ColumnElement[Any] = case((column != _number(0), _number(1)), (column.is_not(None), _number(0)))
    if isinstance(element.type, Float):
        value = cast(cast(column, mysql.CHAR), Double)
    elif isinstance(element.type, Uuid):
        value = _hexadecimal(column)
    return compiler.process(value, **options)


@compiles(Ordered, "sqlite")
def _by_number(element: Ordered, compiler: SQLCompiler, **options: Any) -> str:
    """Convert decimals to numbers if they are stored as text, because SQLite sorts text after all numbers."""
    (column,) = element.clauses
    number = cast(column, Numeric)
    return compiler.process(
        case((func.typeof(column) == _quoted("text"), number), else_=type_coerce(column, NullType())),
        **options,
    )


@compiles(Position, *_MYSQL)
def _by_position(element: Position, compiler: SQLCompiler, **options: Any) -> str:
    (column,) = element.clauses
    return compiler.process(type_coerce(column, Integer) + _number(0), **options)


@compiles(PrintedText)
def _cast(element: PrintedText, compiler: SQLCompiler, **options: Any) -> str:
    (value,) = element.clauses
    return compiler.process(cast(value, Text), **options)


@compiles(PrintedText, "postgresql")
@compiles(CursorValue, "postgresql")
def _as_text(element: FunctionElement[Any], compiler: SQLCompiler, **options: Any) -> str:
    (value,) = element.clauses
    return compiler.process(printed(value), **options)


@compiles(CursorValue, *_MYSQL)
def _exactly(element: CursorValue, compiler: SQLCompiler, **options: Any) -> str:
    """Select floats with all their digits, and dates and times as text.

    Floats would otherwise lose digits. Dates and times are selected as text because Python's types cannot
    represent some dates or some durations in TIME columns.
    """
    (value,) = element.clauses
    if isinstance(value.type, Float):
        value = cast(value, Double)
    elif isinstance(value.type, Date | DateTime | Time):
        value = cast(value, mysql.CHAR)
    return compiler.process(value, **options)


@compiles(Matching, "sqlite")
def _matching_on_sqlite(element: Matching, compiler: SQLCompiler, **options: Any) -> str:
    condition, column = element.clauses
    return compiler.process(func.coalesce(condition, operand(column).is_not(None)), **options)


def _instant(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Convert the timestamp to UTC in SQLAlchemy's format, or to null if SQLite cannot parse it."""
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


def _boolean(column: ColumnElement[Any]) -> ColumnElement[Any]:
    is_number = func.typeof(column) == _quoted("integer")
    return case((is_number, type_coerce(column, Integer) != _number(0)))


def _hexadecimal(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.lower(func.replace(cast(column, mysql.CHAR), _quoted("-"), _quoted("")))


def _is_like(column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    return column.op("GLOB", return_type=Boolean())(_quoted(pattern))


def _quoted(text: str) -> ColumnElement[Any]:
    return literal_column(f"'{text}'", Text)


def _number(value: int) -> ColumnElement[Any]:
    return literal_column(str(value), Integer)


_MEANINGS: list[tuple[type[TypeEngine[Any]], Callable[[ColumnElement[Any]], ColumnElement[Any]]]] = [
    (DateTime, _instant),
    (Date, _day),
    (Boolean, _boolean),
    (Uuid, _hexadecimal),
]
