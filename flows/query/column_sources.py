"""Find the table columns that an SQL expression uses."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnClause, TableClause, TextClause
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import TableValuedColumn
from sqlalchemy.sql.expression import ClauseElement, FunctionElement, TextualSelect
from sqlalchemy.sql.selectable import AliasedReturnsRows

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Source:
    """A table column. Both names are in lower case.

    `table` is None for a word in raw SQL, for example in literal_column(), because the word may be the name
    of any column. The schema is omitted, because two Table objects may specify it differently for the same
    table.
    """

    table: str | None
    column: str


def overlap(sources: Iterable[Source], others: Iterable[Source]) -> bool:
    """Return whether the two collections may contain the same column."""
    return any(
        source.column == other.column and (None in (source.table, other.table) or source.table == other.table)
        for source in sources
        for other in others
    )


def sources_of(expression: ClauseElement) -> frozenset[Source]:
    """Return the table columns that an expression uses.

    This includes columns behind aliases, labels, functions and subqueries.
    """
    sources: set[Source] = set()
    seen: set[int] = set()
    waiting: list[ClauseElement] = [expression]
    while waiting:
        element = waiting.pop()
        if id(element) in seen:
            continue
        seen.add(id(element))
        for part in visitors.iterate(element):
            if isinstance(part, TextClause):
                sources |= _words(part.text)
            elif isinstance(part, TableValuedColumn):  # a whole row, as in row_to_json(orders)
                waiting += part.scalar_alias.columns
            elif isinstance(part, ColumnClause):
                waiting += _origins(part)
                sources |= _own_sources(part)
    return frozenset(sources)


def _own_sources(column: ColumnClause[Any]) -> frozenset[Source]:
    if column.is_literal or column.table is None:
        return _words(column.name)
    if isinstance(column.table, TableClause):
        return frozenset([Source(column.table.name.lower(), column.name.lower())])
    return frozenset()


def _origins(column: ColumnClause[Any]) -> Iterator[ClauseElement]:
    """Yield the expressions from which a column of an alias, subquery or function is computed."""
    table: Any = column.table
    while isinstance(table, AliasedReturnsRows) and isinstance(table.element, AliasedReturnsRows):
        table = table.element
    if isinstance(table, AliasedReturnsRows) and isinstance(table.element, FunctionElement | TextualSelect):
        yield table.element  # The element's columns have names but no expressions.
    else:
        yield from (base for base in column.base_columns if base is not column)


def _words(text: str) -> frozenset[Source]:
    return frozenset(Source(None, word) for word in _WORD.findall(text.lower()))
