"""A big export's statement cut into many along what its rows are sorted by: together, the same rows."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Over,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql import visitors
from sqlalchemy.types import UserDefinedType

from flows.query import statement
from flows.query.request import ExportRequest
from flows.query.statement import OrderTerm
from flows.sources.postgresql import copy_rows
from flows.sources.snapshot import Snapshot

SAMPLES_A_RANGE = 20
# 0.05 where survey rows lie in the order of an index, 1 where they do not, and many without one.
MOST_PAGES_A_ROW = 0.5


class Verbatim(UserDefinedType[str]):
    """A value as PostgreSQL has printed it, for PostgreSQL to read as whatever it is compared with."""

    cache_ok = True


def cut(taken: Snapshot, request: ExportRequest, rows: Select[Any], range_rows: int) -> list[Select[Any]]:
    """Statements of about `range_rows` rows each, in the order of the rows; none when that cannot be done."""
    term = statement.order(request)[0]
    boundaries = _boundaries(taken, request, term, range_rows) if _can_be_cut(rows, term) else []
    return [rows.where(clause) for clause in clauses(term, boundaries)] if boundaries else []


def is_worth_while(taken: Snapshot, ranges: Sequence[Select[Any]]) -> bool:
    """Tried with one of them: whether an index leads to its rows, and they lie together.

    PostgreSQL's estimates do not tell: they are 8 times too high for an index on several columns.
    """
    middle: Select[Any] = ranges[len(ranges) // 2]
    middle = middle.with_only_columns(literal_column("1"), maintain_column_froms=True)
    sql, parameters = copy_rows.compiled(taken, middle)
    explain = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}"
    ((plans,),) = taken.driver.execute(explain, parameters).fetchall()
    plan = plans[0]["Plan"]
    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return bool(pages <= MOST_PAGES_A_ROW * float(plan["Actual Rows"]))


def _can_be_cut(rows: Select[Any], term: OrderTerm) -> bool:
    """Whether one condition more leaves the rows that meet it as they are."""
    if rows._group_by_clauses or rows._having_criteria or rows._distinct or rows._has_row_limiting_clause:
        return False
    looks_at_others = any(isinstance(part, Over) for part in visitors.iterate(rows))
    return isinstance(term.expression, Column) and not looks_at_others


def _boundaries(taken: Snapshot, request: ExportRequest, term: OrderTerm, range_rows: int) -> list[str]:
    """Ascending, as PostgreSQL itself prints and sorts them."""
    matching = statement.rows(request, [term.expression.label("term")]).order_by(None).subquery()
    value = matching.c.term
    is_sample = func.random() < min(1.0, SAMPLES_A_RANGE / range_rows)
    printed = func.array_agg(aggregate_order_by(cast(value, Text), value))
    sample = taken.scalar(select(printed.filter(is_sample, value.is_not(None))))
    return list(dict.fromkeys((sample or [])[SAMPLES_A_RANGE::SAMPLES_A_RANGE]))


def clauses(term: OrderTerm, boundaries: Sequence[str]) -> list[ColumnElement[bool]]:
    """Each row meets exactly one: equal values are not parted, and nulls are a range of their own."""
    column = term.expression
    edges = [bindparam(None, value, type_=Verbatim(), unique=True) for value in boundaries]
    inner = [and_(column >= low, column < high) for low, high in pairwise(edges)]
    ascending = [column < edges[0], *inner, column >= edges[-1]]
    if not term.descending:
        return [*ascending, column.is_(None)]
    descending = ascending[::-1]
    # A column without nulls gets some in an outer join; PostgreSQL then has them first.
    return [*descending, column.is_(None)] if term.nullable else [column.is_(None), *descending]
