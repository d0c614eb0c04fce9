"""Build the SELECT that `adbc_process` uses to read SQLite's stored values exactly.

In SQLite, each value has its own type. In ADBC, all values of a column have the same type. The SELECT
therefore ends with a column that is not null in rows where a value has an unexpected type.
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

MAX_QUESTIONS = 64  # SQLite scans the whole JSON document for each question.
_AS_TEXT = (String, DateTime, Date, Time, Interval, JSON, Uuid)
_MAX_EXACT_FLOAT = 2**53
_STABLE_FUNCTIONS = frozenset(
    [
        *("coalesce", "count", "instr", "length", "max", "min", "nullif", "replace", "substr", "trim"),
        *("comparable", "day_start", "matching", "ordered", "position", "shown"),
    ]
)


def can_read(request: ExportRequest, columns: Sequence[OutputColumn]) -> bool:
    """Return whether ADBC can read these columns exactly and SQLite can extract the answers quickly.

    Values of each type must be stored in a single format. The expressions must give the same result in all
    versions of SQLite, because Python and ADBC each bundle their own version.
    """
    plain, key = [column.expression for column in columns if column.question is None], request.report.key
    questions = question_keys(columns)
    return (
        all(_kind(selected.type) and not _is_expensive(selected) for selected in [*plain, key])
        and _kind(key.type) != FLOAT  # The stored key may be an integer, and errors must show it unchanged.
        and all(map(_is_stable, visitors.iterate(statement.rows(request, plain))))
        and len(questions) <= MAX_QUESTIONS
        and not any('"' in question or "\\" in question for question in questions)
    )


def order(
    request: ExportRequest, columns: Sequence[OutputColumn], dialect: Dialect, mark: bytes
) -> dict[str, Any]:
    """Build the message that asks `adbc_process` to read the rows.

    The SELECT in the message returns the plain columns, the key and then the answers. `mark` replaces null in
    text columns. It consists of NULL_BEGINS and random bytes.
    """
    null_text: ColumnElement[Any] = literal_column(f"x'{mark.hex()}'")
    columns_and_key = [
        (exact_types.exact_expression(column), column.expression.type)
        for column in columns
        if column.question is None
    ]
    columns_and_key.append((request.report.key, request.report.key.type))
    questions = question_keys(columns)
    selected = [part for expression, kind in columns_and_key for part in _select(expression, kind, null_text)]
    irregular = [
        condition for expression, kind in columns_and_key for condition in _irregular(expression, kind)
    ]
    if questions:
        document = type_coerce(_answers(columns), Text())
        selected += [*(_answer(document, key) for key in questions), *_select(document, Text(), null_text)]
        irregular += [*_irregular(document, Text()), func.json_valid(document) == literal_column("0")]
    selected.append(case((or_(*irregular), literal_column("1"))) if irregular else null())
    labelled = [expression.label(f"c{number}") for number, expression in enumerate(selected)]
    compiled: Any = statement.rows(request, labelled).compile(dialect=dialect)
    expanded = compiled.construct_expanded_state()
    return {
        "sql": expanded.statement,
        "parameters": _bind(compiled, expanded),
        "kinds": [_kind(kind) for _, kind in columns_and_key],
        "answers": len(questions),
        "null": mark.hex(),
    }


def _answers(columns: Sequence[OutputColumn]) -> ColumnElement[Any]:
    """Return the JSON column that contains the answers to all questions."""
    return next(column.expression for column in columns if column.question is not None)


def question_keys(columns: Sequence[OutputColumn]) -> list[str]:
    """Return each question's key once, even if several columns contain answers to the same question.

    For example, a request may name both `answers` and a single question.
    """
    return list(dict.fromkeys(column.question.key for column in columns if column.question is not None))


def _kind(kind: TypeEngine[Any]) -> str | None:
    """Return the column kind for the type.

    The result is None if SQLite may store values of this type in more than one format.
    """
    if not exact_types.is_standard(kind) or "sqlite" in kind._variant_mapping:
        return None
    if isinstance(kind, Boolean | Integer):
        return INTEGER
    if isinstance(kind, Float):
        return None if kind.asdecimal else FLOAT
    if isinstance(kind, Numeric):
        return FLOAT if kind.asdecimal and kind.scale is not None else None
    return TEXT if isinstance(kind, _AS_TEXT) else None


def _is_expensive(expression: ColumnElement[Any]) -> bool:
    """Return whether the expression contains a subquery. A subquery would run several times per row."""
    return any(isinstance(part, SelectBase) for part in visitors.iterate(expression))


def _is_stable(part: Visitable) -> bool:
    """Return whether every version of SQLite gives the same result for this part of a statement.

    Sums of floats, rounded values and the text of floats differ between versions.
    """
    if isinstance(part, FunctionElement):
        return getattr(part, "name", None) in _STABLE_FUNCTIONS
    is_concatenation = getattr(part, "operator", None) is operators.concat_op
    is_unknown = isinstance(part, TextClause) or getattr(part, "is_literal", False)
    return not (is_concatenation or is_unknown or isinstance(part, Cast | Extract))


def _select(
    expression: ColumnElement[Any], kind: TypeEngine[Any], null_text: ColumnElement[Any]
) -> list[ColumnElement[Any]]:
    """Return the expressions that `adbc_process` needs to read this column."""
    if _kind(kind) == TEXT:
        return [func.coalesce(expression, null_text)]
    if _kind(kind) == FLOAT:
        return [func.coalesce(cast(expression, REAL), literal_column("0.0")), expression.is_(None)]
    return [expression]


def _irregular(expression: ColumnElement[Any], kind: TypeEngine[Any]) -> list[ColumnElement[bool]]:
    """Return conditions that match stored values whose type differs from the column's type.

    Integer columns need no condition, because ADBC rejects other values in them.
    """
    if _kind(kind) == TEXT:
        return [_is_other_than(expression, "text")]
    if _kind(kind) != FLOAT:
        return []
    if isinstance(kind, Float):
        return [_is_other_than(expression, "real")]
    bound: ColumnElement[Any] = literal_column(str(_MAX_EXACT_FLOAT))
    is_exact_integer = and_(_has_class(expression, "integer"), expression.between(-bound, bound))
    return [and_(_is_other_than(expression, "real"), not_(is_exact_integer))]


def _has_class(expression: ColumnElement[Any], storage_class: str) -> ColumnElement[bool]:
    return func.typeof(expression) == literal_column(f"'{storage_class}'")


def _is_other_than(expression: ColumnElement[Any], storage_class: str) -> ColumnElement[bool]:
    """Return a condition that matches non-null values whose storage class is not `storage_class`."""
    return and_(not_(_has_class(expression, storage_class)), expression.is_not(None))


def _answer(document: ColumnElement[Any], key: str) -> ColumnElement[Any]:
    answer = document.op("->", return_type=Text())(literal(f'$."{key}"', String))
    return func.coalesce(answer, literal_column("''"))


def _bind(compiled: Any, expanded: Any) -> str:
    """Return the bound parameters as a base64-encoded Arrow stream with one row."""
    processors = {**compiled._bind_processors, **expanded.processors}
    values = [processors.get(name, _unchanged)(expanded.parameters[name]) for name in expanded.positiontup]
    names = [str(place) for place in range(len(values))]
    row = pa.record_batch([pa.array([value]) for value in values], names)
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, row.schema) as writer:
        writer.write_batch(row)
    return b64encode(stream.getvalue()).decode() if values else ""


def _unchanged(value: Any) -> Any:
    return value
