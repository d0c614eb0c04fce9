"""Declare reports. A declaration is checked when it is created."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Select, select

from flows.errors import DeclarationError
from flows.formats.registry import FORMATS
from flows.query.date_range import time_zone_names
from flows.query.report_parts import Choices as Choices
from flows.query.report_parts import Filter as Filter
from flows.query.report_parts import Heading as Heading
from flows.query.report_parts import Questions as Questions
from flows.query.report_parts import Scope as Scope
from flows.query.report_parts import (
    as_column,
    as_filter,
    as_heading,
    as_mapping,
    as_questions,
    as_scope,
    as_select,
    label_of,
)
from flows.query.report_parts import camel_case as camel_case
from flows.rows.columns import type_name
from flows.rows.local_text import as_local_text
from flows.rows.operators import FILTERABLE
from flows.rows.transform import Transform

# A report with this name is the default unless the settings specify a different one. A stored request that
# names no report refers to the report with this name.
DEFAULT_REPORT = "survey-responses"
# A claim with this value allows all rows.
ALL_VALUES = "*"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_SETTING = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)+")
# Names of request fields and parameters. Scopes and filters must not use them.
RESERVED = frozenset(
    [
        "report",
        "from",
        "to",
        "filters",
        "columns",
        "sort",
        "timeZone",
        "answers",
        "codebook",
        "format",
        *FORMATS,  # Each format has a field for its options.
        "labelLanguage",
        "name",
        "page",
        "pageSize",
        "cursor",
        "cells",
        "export",  # The web page uses this query parameter to show an export.
    ]
)


@dataclass(frozen=True)
class TableColumn:
    key: str
    label: str
    type: str
    pii: bool
    expression: ColumnElement[Any]


@dataclass(frozen=True, kw_only=True)
class Report:
    """A report that can be exported.

    `select` contains the columns, joins and conditions. `key` is a unique column that is never null. A
    request's `from` and `to` restrict the `period` column and may span at most `max_days` days. `zone` is the
    time zone of columns that store local times. `sort` is the default order. It consists of column keys
    separated by commas, with `-` before a key for descending order. `claims` maps caller claims to the
    columns that they restrict, and `session_claims` maps PostgreSQL settings to claims. `database` is a name
    in REPORTS_DATABASES. If it is empty, the report reads from REPORTS_DATABASE_URL.

    `masked` contains the keys of masked columns and is set only by mask_reports(). `rights` maps claims to
    their allowed values and is set only by restrict_report(). `unsortable` contains the keys of columns that
    the database cannot sort by. It is set only by the API's startup check.
    """

    name: str
    title: str
    select: Select[Any]
    key: ColumnElement[Any]
    sort: str = ""
    scope: Mapping[str, Scope] = field(default_factory=dict)
    period: ColumnElement[Any] | None = None
    zone: str | None = None
    max_days: int | None = 366
    max_rows: int | None = None
    filters: Mapping[str, ColumnElement[Any] | Filter] = field(default_factory=dict)
    headings: Mapping[str, Heading] = field(default_factory=dict)
    questions: Questions | None = None
    transform: Transform | None = None
    claims: Mapping[str, ColumnElement[Any]] = field(default_factory=dict)
    session_claims: Mapping[str, str] = field(default_factory=dict)
    database: str = ""
    masked: frozenset[str] | None = None
    rights: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unsortable: frozenset[str] = frozenset()
    file: str = ""  # The path of the file that declares the report. The catalog sets it.
    is_default: bool = False  # True if requests that name no report use this one. The catalog sets it.

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", as_local_text(self.title, "title"))
        _check_kinds(self)
        for name, value in _converted(self).items():
            object.__setattr__(self, name, value)
        _check(self)

    @cached_property
    def table_columns(self) -> dict[str, TableColumn]:
        """The columns of the select, by key.

        For example, the column `submitted_at` has the key `submittedAt` and the default label `Submitted at`.
        """
        columns = {}
        for expression in self.select.exported_columns:
            key = camel_case(str(expression.key))
            heading = self.headings.get(key, Heading())
            label = heading.label or label_of(str(expression.key))
            columns[key] = TableColumn(key, label, type_name(expression.type), heading.pii, expression)
        return columns

    @cached_property
    def filter_columns(self) -> dict[str, Filter]:
        return {
            name: declared if isinstance(declared, Filter) else Filter(declared)
            for name, declared in self.filters.items()
        }

    @cached_property
    def claim_names(self) -> frozenset[str]:
        """The names of all claims that restrict the rows."""
        scopes = {scope.claim for scope in self.scope.values() if scope.claim is not None}
        return frozenset(scopes | set(self.claims) | set(self.session_claims.values()))

    @cached_property
    def sortable(self) -> list[str]:
        excluded = self.unsortable | (self.masked or frozenset())
        return [
            key for key, column in self.table_columns.items() if column.type != "json" and key not in excluded
        ]

    @cached_property
    def default_sort(self) -> tuple["SortKey", ...]:
        return parse_sort(self.sort, self) if self.sort else ()


@dataclass(frozen=True)
class SortKey:
    key: str
    descending: bool

    def __str__(self) -> str:
        return f"-{self.key}" if self.descending else self.key


def parse_sort(text: str, report: Report) -> tuple[SortKey, ...]:
    """Parse sort keys such as `-submittedAt,id`.

    Raises ValueError for a key that is unknown or repeated.
    """
    keys = tuple(SortKey(part.removeprefix("-"), part.startswith("-")) for part in text.split(","))
    for part in keys:
        if part.key not in report.sortable:
            raise ValueError(f"cannot sort by {part.key!r}; choose from {', '.join(report.sortable)}")
    if len({part.key for part in keys}) < len(keys):
        raise ValueError("must not name a column twice")
    return keys


def _check_kinds(report: Any) -> None:
    """Check the types of the report's values.

    This way, a wrong type is reported when the report is declared instead of on the first request.
    """
    for part, example in (("name", "flights"), ("title", "Flights"), ("sort", "-scheduledAt,carrier")):
        if not isinstance(getattr(report, part), str):
            raise DeclarationError(f'{part}: must be text, such as {part}="{example}"')
    if not isinstance(report.database, str):
        raise DeclarationError('database: must be a name in REPORTS_DATABASES, such as database="warehouse"')
    for part in ("max_days", "max_rows"):
        value = getattr(report, part)
        if value is not None and (type(value) is not int or value < 1):
            raise DeclarationError(
                f"{part}: must be a whole number of at least 1, or None for no limit; {value!r} is neither"
            )
    if report.zone is not None and (not isinstance(report.zone, str) or report.zone not in time_zone_names()):
        raise DeclarationError(f"zone: {report.zone!r} is not an IANA time zone such as Europe/Madrid")
    if report.transform is not None and not callable(report.transform):
        raise DeclarationError("transform: must be a function that takes a data frame and returns one")
    if report.questions is not None and not isinstance(report.questions, Questions):
        raise DeclarationError("questions: must be Questions(answers=…, select=…, scope=…)")


def _converted(report: Report) -> dict[str, Any]:
    """Return the declaration's parts, with ORM attributes and names replaced by columns."""
    source = as_select(report.select)
    scope = as_mapping(report.scope, "scope", '{"origin": flights.c.origin}')
    filters = as_mapping(report.filters, "filters", '{"carrier": flights.c.carrier}')
    headings = as_mapping(report.headings, "headings", '{"carrier": Heading(label="Airline")}')
    questions = report.questions
    return {
        "select": source,
        "key": as_column(report.key, "key", source),
        "scope": {name: as_scope(value, f"scope: {name!r}", source) for name, value in scope.items()},
        "period": as_column(report.period, "period", source) if report.period is not None else None,
        "filters": {name: as_filter(value, f"filters: {name!r}", source) for name, value in filters.items()},
        "headings": {name: as_heading(value, f"headings: {name!r}") for name, value in headings.items()},
        "claims": {
            name: as_column(value, f"claims: {name!r}", source)
            for name, value in as_mapping(report.claims, "claims", '{"tenant": flights.c.tenant}').items()
        },
        "questions": as_questions(questions, source) if questions is not None else None,
    }


def _check(report: Report) -> None:
    if not _NAME.fullmatch(report.name):
        raise DeclarationError(f"name: {report.name!r} must be lower-case words joined by hyphens")
    if not report.select.exported_columns:
        raise DeclarationError("select has no columns")
    _check_names(report)
    _check_columns(report)
    _check_claims(report)
    if report.period is not None and type_name(report.period.type) not in ("date", "date-time"):
        raise DeclarationError(
            f"period: column {report.period} has type {type_name(report.period.type)}, not date or date-time"
        )
    if getattr(report.key, "nullable", False) and not getattr(report.key, "primary_key", False):
        raise DeclarationError(
            f"key: column {report.key} can be null, so it cannot identify rows. If it is never null, declare"
            " it with nullable=False or primary_key=True; otherwise, choose another column"
        )


def _check_names(report: Report) -> None:
    for kind, names in (("scope", report.scope), ("filters", report.filters)):
        for name in names:
            if not _KEY.fullmatch(name):
                raise DeclarationError(f"{kind}: {name!r} must consist of letters, digits and underscores")
    for name, scope in report.scope.items():
        if name in RESERVED:
            raise DeclarationError(f"scope: {name!r} is a reserved name")
        try:
            re.compile(scope.pattern, re.ASCII)
        except re.error as error:
            raise DeclarationError(
                f"scope: {name!r}: pattern is not a valid regular expression: {error}"
            ) from None
        _check_title(name, scope)
    for name in report.filters:
        if name in RESERVED or name in report.scope:
            raise DeclarationError(f"filters: {name!r} is a reserved name or a scope")
        kind = type_name(report.filter_columns[name].column.type)
        if kind not in FILTERABLE:
            raise DeclarationError(f"filters: {name!r}: columns of type {kind} cannot be filtered")
        _check_operators(name, report.filter_columns[name])


def _check_operators(name: str, filter_: Filter) -> None:
    for operator in filter_.allowed_operators:
        if operator not in filter_.suitable_operators:
            names = ", ".join(filter_.suitable_operators)
            raise DeclarationError(f"filters: {name!r}: unknown operator {operator!r}; choose from {names}")


def _check_claims(report: Report) -> None:
    tables = len(report.select.get_final_froms())
    for name, column in report.claims.items():
        if type_name(column.type) not in FILTERABLE:
            kind = type_name(column.type)
            raise DeclarationError(f"claims: {name!r}: columns of type {kind} cannot be compared")
        if len(report.select.where(column.is_(None)).get_final_froms()) != tables:
            raise DeclarationError(f"claims: {name!r}: the select does not contain the table of {column}")
    for setting in report.session_claims:
        if not _SETTING.fullmatch(setting):
            raise DeclarationError(f"session_claims: {setting!r} must be a name such as app.survey_ids")


def _check_title(name: str, scope: Scope) -> None:
    if scope.title is None:
        return
    if type_name(scope.title.type) != "string":
        kind = type_name(scope.title.type)
        raise DeclarationError(f"scope: {name!r}: title: column {scope.title} has type {kind}, not string")
    if len(select(scope.known, scope.title).get_final_froms()) != 1:
        raise DeclarationError(f"scope: {name!r}: title must be a column of the same table as known")


def _check_columns(report: Report) -> None:
    keys = [camel_case(str(column.key)) for column in report.select.exported_columns]
    for key in keys:
        if keys.count(key) > 1:
            raise DeclarationError(f"select: two columns have the key {key!r}; give one a label()")
    for key in report.headings:
        if key not in keys:
            raise DeclarationError(f"headings: {key!r} is not in the select; choose from {', '.join(keys)}")
    if report.sort:
        try:
            parse_sort(report.sort, report)
        except ValueError as error:
            raise DeclarationError(f"sort: {error}") from None
    if report.questions is not None:
        _check_questions(report, report.questions)


def _check_questions(report: Report, questions: Questions) -> None:
    if type_name(questions.answers.type) != "json":
        raise DeclarationError(f"questions: column {questions.answers} is not JSON")
    if len(questions.select.exported_columns) != 3:
        raise DeclarationError("questions: select must return key, label and multiple")
    if questions.choices is not None and len(questions.choices.select.exported_columns) != 3:
        raise DeclarationError("questions: choices: select must return question key, code and label")
    for name in [*questions.scope, *(questions.choices.scope if questions.choices else ())]:
        if name not in report.scope:
            raise DeclarationError(f"questions: scope {name!r} is not a scope of the report")
