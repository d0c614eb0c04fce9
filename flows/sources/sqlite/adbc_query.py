"""A report's rows as SQLite has to give them so that `sqlite_reader` mistakes no value for another. Pure.

SQLite keeps a type with each value, ADBC one with each column: the last column is not NULL in a row that
holds a value of another type than its column's.
"""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from sqlalchemy import (
    JSON,
    REAL,
    Boolean,
    Cast,
    ColumnElement,
    Date,
    DateTime,
    Dialect,
    Extract,
    Float,
    Integer,
    Interval,
    Numeric,
    PickleType,
    SelectBase,
    String,
    Text,
    TextClause,
    Time,
    Uuid,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    not_,
    null,
    or_,
    type_coerce,
)
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.visitors import Visitable
from sqlalchemy.types import TypeEngine

from flows.query import statement
from flows.query.request import ExportRequest
from flows.rows.columns import OutputColumn
from flows.sources import exact_types
from flows.sources.sqlite.adbc_process import FLOAT, INTEGER, TEXT

MOST_QUESTIONS = 64  # SQLite looks for each of them among all members of the JSON
_AS_TEXT = (String, DateTime, Date, Time, Interval, JSON, Uuid)
_MOST_AS_FLOAT = 2**53
_LASTING_FUNCTIONS = frozenset(
    ["coalesce", "count", "instr", "length", "max", "min", "nullif", "replace", "substr", "trim"]
)


def can_read(request: ExportRequest, columns: Sequence[OutputColumn]) -> bool:
    """Whether SQLAlchemy keeps the columns' types in one way only, and SQLite finds all answers fast.

    And whether any version of SQLite finds the same: Python and ADBC bring one each.
    """
    plain, key = [column.expression for column in columns if column.question is None], request.report.key
    questions = question_keys(columns)
    return (
        all(_kind(each.type) and not _is_dear(each) for each in [*plain, key])
        and _kind(key.type) != FLOAT  # told in an error as it is kept, which may be as a whole number
        and all(map(_is_lasting, visitors.iterate(statement.rows(request, plain))))
        and len(questions) <= MOST_QUESTIONS
        and not any('"' in each or "\\" in each for each in questions)
    )


def order(
    request: ExportRequest, columns: Sequence[OutputColumn], dialect: Dialect, mark: bytes
) -> dict[str, Any]:
    """What `sqlite_reader` is told. It gives the columns without a question, the key, and the answers.

    `mark` stands for NULL among texts: it begins with NULL_BEGINS, and nobody could know it beforehand.
    """
    no_text: ColumnElement[Any] = literal_column(f"x'{mark.hex()}'")
    plain = [(exact_types.read(each), each.expression.type) for each in columns if each.question is None]
    read = [*plain, (request.report.key, request.report.key.type)]
    asked, answers = [each for each in columns if each.question is not None], question_keys(columns)
    given = [each for expression, kind in read for each in _given(expression, kind, no_text)]
    irregular = [each for expression, kind in read for each in _irregular(expression, kind)]
    if asked:
        document = type_coerce(asked[0].expression, Text())
        given += [*(_answer(document, each) for each in answers), *_given(document, Text(), no_text)]
        irregular += [*_irregular(document, Text()), func.json_valid(document) == literal_column("0")]
    given.append(case((or_(*irregular), literal_column("1"))) if irregular else null())
    wanted = statement.rows(request, [each.label(f"c{number}") for number, each in enumerate(given)])
    made: Any = wanted.compile(dialect=dialect)
    expanded = made.construct_expanded_state()
    kinds = [_kind(kind) for _, kind in read]
    return {
        "sql": expanded.statement,
        "parameters": _bound(made, expanded),
        "kinds": kinds,
        "answers": len(answers),
        "null": mark.hex(),
    }


def question_keys(columns: Sequence[OutputColumn]) -> list[str]:
    """Each once, also if a request asks for `answers` and for one of them."""
    return list(dict.fromkeys(column.question.key for column in columns if column.question is not None))


def _kind(kind: TypeEngine[Any]) -> str | None:
    """None of a type that may be kept in more than one way."""
    is_sqlalchemys = type(kind).__module__.startswith("sqlalchemy.") and "sqlite" not in kind._variant_mapping
    if not is_sqlalchemys or isinstance(kind, PickleType):
        return None
    if isinstance(kind, Boolean | Integer):
        return INTEGER
    if isinstance(kind, Float):
        return None if kind.asdecimal else FLOAT
    if isinstance(kind, Numeric):
        return FLOAT if kind.asdecimal and kind.scale is not None else None
    return TEXT if isinstance(kind, _AS_TEXT) else None


def _is_dear(expression: ColumnElement[Any]) -> bool:
    """It would be worked out several times for each row."""
    return any(isinstance(each, SelectBase) for each in visitors.iterate(expression))


def _is_lasting(part: Visitable) -> bool:
    """Since 3.43 sums of floats differ, later roundings and the texts of floats do."""
    if isinstance(part, FunctionElement):
        return getattr(part, "name", None) in _LASTING_FUNCTIONS
    is_text = getattr(part, "operator", None) is operators.concat_op
    is_unknown = isinstance(part, TextClause) or getattr(part, "is_literal", False)
    return not (is_text or is_unknown or isinstance(part, Cast | Extract))


def _given(
    expression: ColumnElement[Any], kind: TypeEngine[Any], no_text: ColumnElement[Any]
) -> list[ColumnElement[Any]]:
    if _kind(kind) == TEXT:
        return [func.coalesce(expression, no_text)]
    if _kind(kind) == FLOAT:
        return [func.coalesce(cast(expression, REAL), literal_column("0.0")), expression.is_(None)]
    return [expression]


def _irregular(expression: ColumnElement[Any], kind: TypeEngine[Any]) -> list[ColumnElement[bool]]:
    """Integers are not asked about: among them ADBC itself takes no other value."""
    if _kind(kind) == TEXT:
        return [_is_no(expression, "text")]
    if _kind(kind) != FLOAT:
        return []
    if isinstance(kind, Float):
        return [_is_no(expression, "real")]
    most: ColumnElement[Any] = literal_column(str(_MOST_AS_FLOAT))
    is_fitting_integer = and_(_is(expression, "integer"), expression.between(-most, most))
    return [and_(_is_no(expression, "real"), not_(is_fitting_integer))]


def _is(expression: ColumnElement[Any], storage_class: str) -> ColumnElement[bool]:
    return func.typeof(expression) == literal_column(f"'{storage_class}'")


def _is_no(expression: ColumnElement[Any], storage_class: str) -> ColumnElement[bool]:
    """Nor NULL."""
    return and_(not_(_is(expression, storage_class)), expression.is_not(None))


def _answer(document: ColumnElement[Any], key: str) -> ColumnElement[Any]:
    found = document.op("->", return_type=Text())(literal(f'$."{key}"', String))
    return func.coalesce(found, literal_column("''"))


def _bound(made: Any, expanded: Any) -> str:
    """The values in order, through each type's own binding, as an Arrow stream of one row in base64."""
    processors = {**made._bind_processors, **expanded.processors}
    given = [processors.get(name, _itself)(expanded.parameters[name]) for name in expanded.positiontup]
    row = pa.record_batch([pa.array([value]) for value in given], [str(place) for place in range(len(given))])
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, row.schema) as writer:
        writer.write_batch(row)
    return b64encode(stream.getvalue()).decode() if given else ""


def _itself(value: Any) -> Any:
    return value
