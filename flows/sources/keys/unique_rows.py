"""Prove from the structure of a select that no two of its rows have the same key.

The key must be a unique column of its table, and each row of that table must join at most one row of every
other table. Starting at the key's table, the proof follows equalities to unique columns of the other tables.
If this module does not understand a select, it assumes that keys may repeat.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Alias,
    BinaryExpression,
    BindParameter,
    Column,
    ColumnElement,
    FromClause,
    Join,
    Label,
    Select,
    String,
    Table,
)
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BooleanClauseList, Grouping
from sqlalchemy.sql.selectable import FromGrouping
from sqlalchemy.types import TypeEngine

UniqueColumns = Callable[[Table], list[frozenset[str]]]


@dataclass(frozen=True)
class Equality:
    """A condition that determines the value of a column once the row of the table `other` is known.

    `other` is None if the column is compared with a constant.
    """

    table: FromClause
    column: str
    other: FromClause | None
    compares_two_texts: bool = False


def has_unique_rows(
    rows: Select[Any], key: ColumnElement[Any], unique_columns: UniqueColumns, compares_text: bool = True
) -> bool:
    """Return whether all non-null keys are certain to be unique.

    `unique_columns` returns the sets of columns that are unique in a table. If `compares_text` is false,
    equalities between two text columns are ignored. Only PostgreSQL refuses to compare columns whose
    collations differ. SQLite uses the collation of the first column, such as NOCASE, and MySQL that of the
    column whose character set is Unicode. Different strings in a unique column may be equal in it.
    """
    column = _column(key)
    if column is None or column.table is None:
        return False
    grouped = [_column(expression) for expression in rows._group_by_clauses]
    if grouped:
        return _is_group_key(column, grouped, unique_columns)
    sources = [source for source in rows.get_final_froms() for source in _sources(source)]
    if not _is_unique(column.table, {column.name}, unique_columns):
        return False
    reached: set[FromClause] = {column.table}
    pending = set(sources) - reached
    equalities = [*_equalities(rows._where_criteria), *_join_equalities(rows.get_final_froms())]
    equalities = [equality for equality in equalities if compares_text or not equality.compares_two_texts]
    while fixed := {table for table in pending if _is_fixed(table, reached, equalities, unique_columns)}:
        reached |= fixed
        pending -= fixed
    return not pending


def _is_group_key(
    key: Column[Any], grouped: Sequence[Column[Any] | None], unique_columns: UniqueColumns
) -> bool:
    """Return whether no two groups have the same key. The key must determine all other grouped columns."""
    names = {column.name for column in grouped if column is not None and column.table == key.table}
    if key.name not in names or len(names) < len(grouped) or key.table is None:
        return False
    return len(names) == 1 or _is_unique(key.table, {key.name}, unique_columns)


def _is_fixed(
    table: FromClause,
    reached: set[FromClause],
    equalities: Iterable[Equality],
    unique_columns: UniqueColumns,
) -> bool:
    """Return whether each combination of rows from `reached` matches at most one row of `table`."""
    columns = {
        equality.column
        for equality in equalities
        if equality.table == table and (equality.other is None or equality.other in reached)
    }
    return bool(columns) and _is_unique(table, columns, unique_columns)


def _is_unique(source: FromClause, columns: set[str], unique_columns: UniqueColumns) -> bool:
    table = source.element if isinstance(source, Alias) else source
    return isinstance(table, Table) and any(unique <= columns for unique in unique_columns(table))


def _column(expression: ColumnElement[Any]) -> Column[Any] | None:
    plain = expression.element if isinstance(expression, Label) else expression
    return plain if isinstance(plain, Column) else None


def _sources(source: FromClause) -> Iterator[FromClause]:
    if isinstance(source, FromGrouping):
        yield from _sources(source.element)
    elif isinstance(source, Join):
        yield from _sources(source.left)
        yield from _sources(source.right)
    else:
        yield source


def _join_equalities(sources: Iterable[FromClause]) -> Iterator[Equality]:
    """Yield the equalities in ON clauses.

    In a left outer join, these equalities restrict only the rows from the right side.
    """
    for source in sources:
        if isinstance(source, FromGrouping):
            yield from _join_equalities([source.element])
        if isinstance(source, Join):
            yield from _join_equalities([source.left, source.right])
            restricted = set(_sources(source.right if source.isouter else source))
            for equality in _equalities([source.onclause] if source.onclause is not None else []):
                if equality.table in restricted and not source.full:
                    yield equality


def _equalities(conditions: Iterable[Any]) -> Iterator[Equality]:
    for condition in conditions:
        if isinstance(condition, Grouping):
            yield from _equalities([condition.element])
        elif isinstance(condition, BooleanClauseList) and condition.operator is operators.and_:
            yield from _equalities(condition.clauses)
        elif isinstance(condition, BinaryExpression) and condition.operator is operators.eq:
            yield from _equality(condition.left, condition.right)
            yield from _equality(condition.right, condition.left)


def _equality(one: ColumnElement[Any], other: ColumnElement[Any]) -> Iterator[Equality]:
    column, value = _column(one), _column(other)
    if column is None or column.table is None or not _compares_exactly(one.type, other.type):
        return
    if isinstance(other, BindParameter):
        yield Equality(column.table, column.name, None)
    elif value is not None and value.table is not None and value.table != column.table:
        yield Equality(column.table, column.name, value.table, isinstance(one.type, String))


def _compares_exactly(one: TypeEngine[Any], other: TypeEngine[Any]) -> bool:
    """Return whether values of these types are equal only if they are identical.

    In MySQL, for example, the number 1 and the string '01' are equal.
    """
    if isinstance(one, String):
        return type(one) is type(other)
    return one._type_affinity is other._type_affinity
