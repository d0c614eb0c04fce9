"""Build the SQL statements for a request.

The table, the count and the export all use this module, so they always agree.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import chain
from operator import ge, gt, le, lt
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Label,
    Select,
    and_,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
)

from flows.query.bound_values import bound, bound_cursor_value, bound_days
from flows.query.comparison import (
    comparable,
    contains,
    cursor_value,
    matching,
    operand,
    ordered,
    shown,
    sortable,
)
from flows.query.date_range import local_time
from flows.query.filters.operators import Conditions
from flows.query.questions.columns import question_columns
from flows.query.questions.keys import questions_key
from flows.query.report import Report, Scope, TableColumn
from flows.query.request import ExportRequest
from flows.rows.columns import OutputColumn, Question, type_name
from flows.rows.local_text import in_languages

# Functions that convert the value of a scope to the type of its column.
_SCOPE_VALUES: dict[str, Callable[[str], Any]] = {"integer": int, "uuid": UUID, "date": date.fromisoformat}
_RANGES: Mapping[str, Callable[[Any, Any], ColumnElement[bool]]] = {"gte": ge, "gt": gt, "lte": le, "lt": lt}


@dataclass(frozen=True)
class OrderTerm:
    expression: ColumnElement[Any]
    descending: bool
    nullable: bool


def output_columns(request: ExportRequest, questions: Sequence[Question]) -> list[OutputColumn]:
    """Return the columns of the file, in order.

    Raises KeyError for a question that does not exist.
    """
    languages = [request.label_language] if request.label_language is not None else []
    plain = {key: _output(column, languages) for key, column in request.report.table_columns.items()}
    group = questions_key(request.report)
    answers = question_columns(request.report, questions, request.answers)
    if request.columns is None:
        return [*plain.values(), *chain(*answers.values())]
    by_key = {column.key: [column] for column in chain(*answers.values())} | {**answers}
    chosen: list[OutputColumn] = []
    for key in request.columns:
        if key in plain:
            chosen.append(plain[key])
        else:
            chosen.extend(chain(*answers.values()) if key == group else by_key[key])
    return chosen


def columns_to_read(
    request: ExportRequest, columns: Sequence[OutputColumn], questions: Sequence[Question]
) -> list[OutputColumn]:
    """Return the columns of the file, followed by the columns that only the report's transform needs."""
    if request.report.transform is None:
        return list(columns)
    chosen = {column.key for column in columns}
    everything = output_columns(replace(request, columns=None), questions)
    return [*columns, *(column for column in everything if column.key not in chosen)]


def _output(column: TableColumn, languages: Sequence[str]) -> OutputColumn:
    label = in_languages(column.label, languages) if languages else column.label
    return OutputColumn(column.key, label, column.type, column.pii, column.expression)


def rows(
    request: ExportRequest, expressions: Sequence[ColumnElement[Any]], backward: bool = False
) -> Select[Any]:
    """Build a query that selects these expressions from the matching rows, in the request's sort order.

    With `backward`, the rows are in reverse order.
    """
    clauses = [clause for term in order(request) for clause in _order_by(term, backward)]
    return _matching(request, expressions).order_by(None).order_by(*clauses)


def keys(request: ExportRequest) -> Select[Any]:
    """Build a query that selects the report's key from the matching rows. The key is labelled `key`."""
    return _matching(request, [request.report.key.label("key")]).order_by(None)


def count(request: ExportRequest) -> Select[Any]:
    return select(func.count()).select_from(keys(request).subquery())


def cursor_values(terms: Sequence[OrderTerm]) -> list[ColumnElement[Any]]:
    """Return the expressions whose values `rows_after` needs.

    Each expression is labelled with its position in the sort order.
    """
    return [cursor_value(term.expression).label(f"s{number}") for number, term in enumerate(terms)]


def rows_after(statement: Select[Any], terms: Sequence[OrderTerm], values: Sequence[Any]) -> Select[Any]:
    """Restrict a statement to the rows that follow the row with these values.

    `values` contains one value for each sort term.
    """
    alternatives = []
    equal: list[ColumnElement[bool]] = []
    for term, value in zip(terms, values, strict=True):
        alternatives.append(and_(*equal, _beyond(term, value)))
        equal.append(
            term.expression.is_(None) if value is None else term.expression == bound_cursor_value(value)
        )
    beyond = or_(*alternatives)
    # A grouped report may be sorted by an aggregate. Aggregates can be compared only in HAVING.
    return statement.having(beyond) if statement._group_by_clauses else statement.where(beyond)


def order(request: ExportRequest) -> list[OrderTerm]:
    """Return the sort terms. The last term is the report's key, so that the order is unambiguous."""
    columns = request.report.table_columns
    terms = [_term(columns[key.key].expression, key.descending) for key in request.sort]
    return [*terms, _term(request.report.key, descending=False)]


def questions(request: ExportRequest) -> Select[Any] | None:
    declared = request.report.questions
    if declared is None:
        return None
    return declared.select.where(*_scope_clauses(request, declared.scope))


def choices(request: ExportRequest) -> Select[Any] | None:
    """Build a query for the choices of the questions, or return None if the export does not need them."""
    declared = request.report.questions
    if declared is None or declared.choices is None or not request.needs_choices:
        return None
    return declared.choices.select.where(*_scope_clauses(request, declared.choices.scope))


def without_rows(request: ExportRequest, filters: Sequence[str]) -> Select[Any]:
    """Build a query that makes the database check the values of these filters but returns no rows."""
    columns = request.report.filter_columns
    clauses = [_condition(columns[name].column, request.filters[name]) for name in filters]
    return (
        request.report.select.with_only_columns(literal(1), maintain_column_froms=True)
        .where(*clauses)
        .limit(0)
    )


def scope_exists(request: ExportRequest, name: str) -> Select[Any]:
    column = request.report.scope[name].known
    allowed = request.report.scope[name].allowed
    return select(literal(1)).where(_equals(column, request.scope[name]), *allowed).limit(1)


def scope_choices(scope: Scope, search: str, limit: int) -> Select[Any]:
    """Build a query for the (value, title) pairs that match a search, ordered by title.

    A pair matches if its title contains the search text or its value is equal to the search text.
    """
    title = scope.title
    if title is None:
        raise ValueError("this scope has no titles")
    choices = select(scope.known, title).where(*scope.allowed).order_by(title, scope.known).limit(limit)
    in_title = contains(title, search)
    equal = _equals(scope.known, search) if scope.matches(search) else false()
    return choices.where(in_title | equal)


def _matching(request: ExportRequest, expressions: Sequence[ColumnElement[Any]]) -> Select[Any]:
    report = request.report
    scope = {name: scope.column for name, scope in report.scope.items()}
    return report.select.with_only_columns(*expressions, maintain_column_froms=True).where(
        *_scope_clauses(request, scope), *_period_clauses(request), *_filter_clauses(request)
    )


def _scope_clauses(
    request: ExportRequest, columns: Mapping[str, ColumnElement[Any]]
) -> list[ColumnElement[bool]]:
    return [_equals(column, request.scope[name]) for name, column in columns.items()]


def _equals(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Compare a column with the value of a scope. In a request, this value is always a string."""
    try:
        value: Any = _SCOPE_VALUES.get(type_name(column.type), str)(text)
    except ValueError:
        return false()  # The text is not valid for the column's type, so no row matches.
    return operand(column) == bound(column, value)


def _period_clauses(request: ExportRequest) -> list[ColumnElement[bool]]:
    column, period = request.report.period, request.period
    if column is None or period is None:
        return []
    if type_name(column.type) == "date":
        start, end = (bound(column, day) for day in period.dates)
    elif (zone := _zone_of(request.report, column)) is not None:
        start, end = (bound(column, local) for local in period.local_times(zone))
    else:
        start, end = bound_days(column, period, by_database=request.copy_options is not None)
    value = comparable(column)
    return [matching(and_(value >= start, value < end), column)]


def _filter_clauses(request: ExportRequest) -> list[ColumnElement[bool]]:
    columns = {name: filter_.column for name, filter_ in request.report.filter_columns.items()}
    return [
        _condition(columns[name], _in_zone(values, _zone_of(request.report, columns[name])))
        for name, values in request.filters.items()
    ]


def _zone_of(report: Report, column: ColumnElement[Any]) -> ZoneInfo | None:
    """Return the report's declared time zone if the column stores local times, or None."""
    is_local = type_name(column.type) == "date-time" and not getattr(column.type, "timezone", False)
    return ZoneInfo(report.zone) if is_local and report.zone is not None else None


def _in_zone(value: Any, zone: ZoneInfo | None) -> Any:
    """Convert the timestamps in a filter's values to local times in `zone`. Other values stay unchanged."""
    if isinstance(value, Conditions):
        return Conditions({name: _in_zone(item, zone) for name, item in value.by_operator.items()})
    if isinstance(value, tuple):
        return tuple(_in_zone(item, zone) for item in value)
    return local_time(value, zone) if zone is not None and isinstance(value, datetime) else value


def _condition(column: ColumnElement[Any], values: tuple[Any, ...] | Conditions) -> ColumnElement[bool]:
    if isinstance(values, Conditions):
        return and_(*(_holds(column, name, value) for name, value in values.by_operator.items()))
    return _any_of(column, values)


def _holds(column: ColumnElement[Any], operator: str, value: Any) -> ColumnElement[bool]:
    match operator:
        case "null":
            return operand(column).is_(None) if value else operand(column).is_distinct_from(null())
        case "not":
            return _none_of(column, value)
        case "contains":
            return contains(column, value)
    return matching(_RANGES[operator](ordered(column), bound(column, value)), column)


def _none_of(column: ColumnElement[Any], values: tuple[Any, ...]) -> ColumnElement[bool]:
    """Match all rows that `_any_of` does not match."""
    present = tuple(value for value in values if value is not None)
    if not present:
        return _holds(column, "null", value=False)
    differs = matching(not_(has_value(column, present)), column)
    return differs if None in values else or_(differs, operand(column).is_(None))


def _any_of(column: ColumnElement[Any], values: tuple[Any, ...]) -> ColumnElement[bool]:
    present = tuple(value for value in values if value is not None)
    clauses = [matching(has_value(column, present), column)] if present else []
    if None in values:
        clauses.append(operand(column).is_(None))
    return or_(false(), *clauses) if len(clauses) != 1 else clauses[0]


def has_value(column: ColumnElement[Any], values: tuple[Any, ...]) -> ColumnElement[bool]:
    """Return the condition that the column has one of the values.

    The condition is false if there are no values.
    """
    parameters = [bound(column, value) for value in values]
    value = shown(column)
    if not parameters:
        return false()
    return value == parameters[0] if len(parameters) == 1 else value.in_(parameters)


def _term(expression: ColumnElement[Any], descending: bool) -> OrderTerm:
    plain = expression.element if isinstance(expression, Label) else expression
    return OrderTerm(sortable(plain), descending, bool(getattr(plain, "nullable", True)))


def _order_by(term: OrderTerm, backward: bool) -> list[ColumnElement[Any]]:
    """Sort nulls last on every database, whether the term is ascending or descending.

    Columns that are never null are sorted directly, so that the database can use an index.
    """
    value, is_null = term.expression, term.expression.is_(None)
    by_value = value.desc() if term.descending is not backward else value.asc()
    return [is_null.desc() if backward else is_null, by_value] if term.nullable else [by_value]


def _beyond(term: OrderTerm, value: Any) -> ColumnElement[bool]:
    if value is None:
        return false()
    last = bound_cursor_value(value)
    further = term.expression < last if term.descending else term.expression > last
    return or_(further, term.expression.is_(None)) if term.nullable else further
