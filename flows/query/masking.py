"""Mask personal data in a report for callers who may not see it.

The mask is part of the SELECT. The values therefore never leave the database, and the table, count, preview
and file always agree. Text becomes `***`, and values of other types become NULL. Masked columns cannot be
used for filtering or sorting, because callers could otherwise work out the masked values.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Text, case, literal

from flows.query.column_sources import Source, overlap, sources_of
from flows.query.report import Report, Scope, TableColumn

MASK = "***"


def mask_reports(reports: Mapping[str, Report]) -> dict[str, Report]:
    """Return masked copies of the reports.

    Reports whose key, scope or period uses a masked column are omitted.
    """
    return {name: _mask(report) for name, report in reports.items() if _can_be_masked(report)}


def _mask(report: Report) -> Report:
    columns = report.table_columns
    hidden = frozenset(key for key, column in columns.items() if column.pii)
    secret = _secret(report)
    sort = [str(key) for key in report.default_sort if key.key not in hidden]
    questions = report.questions
    return replace(
        report,
        select=report.select.with_only_columns(*map(_masked_expression, columns.values())),
        sort=",".join(sort),
        filters={
            name: column
            for name, column in report.filters.items()
            if not overlap(sources_of(report.filter_columns[name].column), secret)
        },
        scope={name: _without_secret_title(scope, secret) for name, scope in report.scope.items()},
        questions=None if questions and overlap(sources_of(questions.answers), secret) else questions,
        masked=hidden,
    )


def _can_be_masked(report: Report) -> bool:
    scopes = report.scope.values()
    searched = [report.key, *(scope.column for scope in scopes), *(scope.known for scope in scopes)]
    searched += [report.period] if report.period is not None else []
    secret = _secret(report)
    return not any(overlap(sources_of(column), secret) for column in searched)


def _without_secret_title(scope: Scope, secret: frozenset[Source]) -> Scope:
    """Remove a masked title from the scope, so that callers can neither list nor search the titles."""
    hidden = scope.title is not None and overlap(sources_of(scope.title), secret)
    return replace(scope, title=None) if hidden else scope


def _masked_expression(column: TableColumn) -> ColumnElement[Any]:
    expression = column.expression
    if not column.pii:
        return expression
    if column.type == "string":
        masked = case((expression.is_not(None), literal(MASK, Text())))
    else:  # This is always NULL and has the column's type on every database.
        masked = case((expression.is_(None), expression))
    return masked.label(expression.key)


def unmarked_columns(report: Report) -> dict[str, str]:
    """Find columns that are not marked as `pii` but share a table column with one that is marked.

    The result maps the key of each unmarked column to the key of the marked column. For example, an unmarked
    column `lower(email)` would reveal the value of `email`.
    """
    columns = report.table_columns.values()
    marked = {column.key: sources_of(column.expression) for column in columns if column.pii}
    return {
        column.key: key
        for column in columns
        for key, secret in marked.items()
        if not column.pii and overlap(sources_of(column.expression), secret)
    }


def _secret(report: Report) -> frozenset[Source]:
    """Return the table columns from which the masked columns are computed."""
    masked = [column.expression for column in report.table_columns.values() if column.pii]
    if report.questions is not None and report.questions.pii:
        masked.append(report.questions.answers)
    return frozenset().union(*map(sources_of, masked))
