"""What a report's file declares: Report, and the words it is written in."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Select, select
from sqlalchemy import types as sql

from flows.errors import DeclarationError

Transform = Callable[[pd.DataFrame], pd.DataFrame]

DEFAULT_REPORT = "survey-responses"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# What a request may hold beside a report's scopes.
RESERVED = frozenset(
    [
        "report",
        "from",
        "to",
        "filters",
        "columns",
        "sort",
        "timeZone",
        "csv",
        "name",
        "page",
        "pageSize",
        "cursor",
        "export",  # which one the page shows
    ]
)


@dataclass(frozen=True)
class Heading:
    """How a column is headed; its type and place follow from the select. `pii`: it is about a person."""

    label: str | None = None
    pii: bool = False


@dataclass(frozen=True)
class Scope:
    """A value every request must name, such as a survey's id.

    `pattern` is what the value looks like; `known` is the column that lists all existing values. `title`,
    of the same table, is what people call each: with it, whoever may use the report can list and search them.
    """

    column: ColumnElement[Any]
    pattern: str
    known: ColumnElement[Any]
    label: str | None = None
    title: ColumnElement[Any] | None = None

    def matches(self, value: str) -> bool:
        return re.fullmatch(self.pattern, value, re.ASCII) is not None


@dataclass(frozen=True)
class Filter:
    column: ColumnElement[Any]
    label: str | None = None
    choices: tuple[Any, ...] | None = None

    @property
    def known_choices(self) -> tuple[Any, ...] | None:
        if self.choices is None and isinstance(self.column.type, sql.Enum):
            return tuple(self.column.type.enums)
        return self.choices


@dataclass(frozen=True)
class Questions:
    """Spreads a JSON column into one column per question.

    `select` yields (key, label, multiple) in the order of the questions; where `multiple` is true the
    answer is a list, joined with `; `. `scope` ties it to the request as `Report.scope` does. `pii`: what
    is answered is about a person, as a column's heading says it; whoever may not see that has no questions.
    """

    answers: ColumnElement[Any]
    select: Select[Any]
    scope: Mapping[str, ColumnElement[Any]]
    pii: bool = False


@dataclass(frozen=True)
class TableColumn:
    """A column as the API and both engines see it."""

    key: str
    label: str
    type: str
    pii: bool
    expression: ColumnElement[Any]


@dataclass(frozen=True, kw_only=True)
class Report:
    """One report. `select` is plain: columns, joins, where; rows are told apart by `key` (unique, not null).

    `period` is the column that `from` and `to` bound, `max_days` how far apart those may be. `sort` is the
    default order: keys, separated by commas, `-` for descending. `masked` is None but in the variant that
    masking makes: the keys of the columns that are masked in it.
    """

    name: str
    title: str
    select: Select[Any]
    key: ColumnElement[Any]
    sort: str = ""
    scope: Mapping[str, Scope] = field(default_factory=dict)
    period: ColumnElement[Any] | None = None
    max_days: int | None = 366
    max_rows: int | None = None
    filters: Mapping[str, ColumnElement[Any] | Filter] = field(default_factory=dict)
    headings: Mapping[str, Heading] = field(default_factory=dict)
    questions: Questions | None = None
    transform: Transform | None = None
    masked: frozenset[str] | None = None
    file: str = ""  # where it is declared; the catalog fills it in

    def __post_init__(self) -> None:
        _check(self)

    @cached_property
    def table_columns(self) -> dict[str, TableColumn]:
        """The select's columns by key: `submitted_at` has the key `submittedAt`, the label `Submitted at`."""
        found = {}
        for expression in self.select.exported_columns:
            key = camel_case(str(expression.key))
            extra = self.headings.get(key, Heading())
            label = extra.label or str(expression.key).replace("_", " ").capitalize()
            found[key] = TableColumn(key, label, type_name(expression.type), extra.pii, expression)
        return found

    @cached_property
    def filter_columns(self) -> dict[str, Filter]:
        return {
            name: given if isinstance(given, Filter) else Filter(given)
            for name, given in self.filters.items()
        }

    @cached_property
    def sortable(self) -> list[str]:
        masked = self.masked or frozenset()
        return [
            key for key, column in self.table_columns.items() if column.type != "json" and key not in masked
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
    """`-submittedAt,id` → keys in order; ValueError names what cannot be sorted by."""
    keys = tuple(SortKey(part.removeprefix("-"), part.startswith("-")) for part in text.split(","))
    for part in keys:
        if part.key not in report.sortable:
            raise ValueError(f"cannot sort by {part.key!r}; sortable are {', '.join(report.sortable)}")
    if len({part.key for part in keys}) < len(keys):
        raise ValueError("names a column twice")
    return keys


def camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


FILTERABLE = ("string", "boolean", "integer", "number", "date", "date-time", "uuid")

_TYPE_NAMES: tuple[tuple[type[sql.TypeEngine[Any]], str], ...] = (
    (sql.Boolean, "boolean"),
    (sql.Integer, "integer"),
    (sql.Numeric, "number"),
    (sql.DateTime, "date-time"),
    (sql.Date, "date"),
    (sql.Time, "time"),
    (sql.JSON, "json"),
    (sql.Uuid, "uuid"),
)


def type_name(kind: sql.TypeEngine[Any]) -> str:
    """The type as the API names it: one word for every database."""
    return next((name for known, name in _TYPE_NAMES if isinstance(kind, known)), "string")


def _check(report: Report) -> None:
    _check_kinds(report)
    if not _NAME.fullmatch(report.name):
        raise DeclarationError(f"name {report.name!r} must be lower case words joined by hyphens")
    if not report.select.exported_columns:
        raise DeclarationError("select has no columns")
    _check_names(report)
    _check_columns(report)
    if report.period is not None and type_name(report.period.type) not in ("date", "date-time"):
        raise DeclarationError(
            f"period: column {report.period} is a {type_name(report.period.type)}, not a date"
        )
    if getattr(report.key, "nullable", False) and not getattr(report.key, "primary_key", False):
        raise DeclarationError(f"key: column {report.key} can be null, so it cannot tell rows apart")


def _check_kinds(report: Report) -> None:
    """Names where columns belong would only show when the first caller comes."""
    columns = {
        "key": report.key,
        **{f"filters: {name!r}": getattr(each, "column", each) for name, each in report.filters.items()},
        **{f"scope: {name!r}": each.column for name, each in report.scope.items()},
    }
    if report.period is not None:
        columns["period"] = report.period
    titles = {f"scope: {name!r}: title": each.title for name, each in report.scope.items()}
    columns |= {place: title for place, title in titles.items() if title is not None}
    for place, column in columns.items():
        if not isinstance(column, ColumnElement):
            raise DeclarationError(f"{place}: {column!r} is not a column, such as table.c.name")


def _check_names(report: Report) -> None:
    for kind, names in (("scope", report.scope), ("filters", report.filters)):
        for name in names:
            if not _KEY.fullmatch(name):
                raise DeclarationError(f"{kind}: {name!r} must be letters, digits and underscores")
    for name, scope in report.scope.items():
        if name in RESERVED:
            raise DeclarationError(f"scope: {name!r} already means something in a request")
        try:
            re.compile(scope.pattern, re.ASCII)
        except re.error as error:
            raise DeclarationError(f"scope: {name!r}: the pattern is not one: {error}") from None
        _check_title(name, scope)
    for name in report.filters:
        if name in RESERVED or name in report.scope:
            raise DeclarationError(f"filters: {name!r} already means something in a request")
        kind = type_name(report.filter_columns[name].column.type)
        if kind not in FILTERABLE:
            raise DeclarationError(f"filters: {name!r}: a {kind} column cannot be filtered by")


def _check_title(name: str, scope: Scope) -> None:
    if scope.title is None:
        return
    if type_name(scope.title.type) != "string":
        kind = type_name(scope.title.type)
        raise DeclarationError(f"scope: {name!r}: title: column {scope.title} is a {kind}, not a text")
    if len(select(scope.known, scope.title).get_final_froms()) != 1:
        raise DeclarationError(f"scope: {name!r}: title must be of the same table as known")


def _check_columns(report: Report) -> None:
    keys = [camel_case(str(column.key)) for column in report.select.exported_columns]
    for key in keys:
        if keys.count(key) > 1:
            raise DeclarationError(f"select: two columns have the key {key!r}; give one a label()")
    for key in report.headings:
        if key not in keys:
            raise DeclarationError(f"headings: {key!r} is not in the select; it has {', '.join(keys)}")
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
        raise DeclarationError("questions: select must yield key, label and multiple")
    for name in questions.scope:
        if name not in report.scope:
            raise DeclarationError(f"questions: scope {name!r} is not one of the report's")
