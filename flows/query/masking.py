"""A report for callers who may not see what is about a person. Pure.

The mask is in the select itself: table, count, preview and file are then masked alike, in both engines, and
the values stay in the database. A text is `***`; other types have no such value, and are NULL. What could
be found out by searching cannot be searched: no filter, sort or default order reads a masked column.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnClause, ColumnElement, Text, case, literal
from sqlalchemy.sql import visitors

from flows.query.report import Report, Scope, TableColumn

MASK = "***"


def mask_reports(reports: Mapping[str, Report]) -> dict[str, Report]:
    """Without those whose rows are found by a masked column: for these callers they do not exist."""
    return {name: _mask(report) for name, report in reports.items() if _can_be_masked(report)}


def _mask(report: Report) -> Report:
    columns = report.table_columns
    hidden = frozenset(key for key, column in columns.items() if column.pii)
    secret = _secret(report)
    sort = [str(each) for each in report.default_sort if each.key not in hidden]
    questions = report.questions
    return replace(
        report,
        select=report.select.with_only_columns(*map(_shown, columns.values())),
        sort=",".join(sort),
        filters={
            name: each
            for name, each in report.filters.items()
            if not _sources(report.filter_columns[name].column) & secret
        },
        scope={name: _without_secret_title(each, secret) for name, each in report.scope.items()},
        questions=questions if questions is None or not _sources(questions.answers) & secret else None,
        masked=hidden,
    )


def _can_be_masked(report: Report) -> bool:
    scopes = report.scope.values()
    found_by = [report.key, *(each.column for each in scopes), *(each.known for each in scopes)]
    found_by += [report.period] if report.period is not None else []
    return not any(_sources(column) & _secret(report) for column in found_by)


def _without_secret_title(scope: Scope, secret: frozenset[Any]) -> Scope:
    """Then its values cannot be listed, nor searched for by their titles."""
    hidden = scope.title is not None and _sources(scope.title) & secret
    return replace(scope, title=None) if hidden else scope


def _shown(column: TableColumn) -> ColumnElement[Any]:
    expression = column.expression
    if not column.pii:
        return expression
    if column.type == "string":
        shown = case((expression.is_not(None), literal(MASK, Text())))
    else:  # never anything but NULL, and of the column's own type on every database
        shown = case((expression.is_(None), expression))
    return shown.label(expression.key)


def _secret(report: Report) -> frozenset[Any]:
    """The tables' columns that the masked ones are made of."""
    masked = [column.expression for column in report.table_columns.values() if column.pii]
    if report.questions is not None and report.questions.pii:
        masked.append(report.questions.answers)
    return frozenset().union(*map(_sources, masked))


def _sources(expression: ColumnElement[Any]) -> frozenset[Any]:
    """Also through aliases, labels and subqueries."""
    columns = [part for part in visitors.iterate(expression) if isinstance(part, ColumnClause)]
    return frozenset(base for column in columns for base in column.base_columns)
