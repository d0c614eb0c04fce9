"""Define the parts of a report's declaration, and convert them to SQLAlchemy selects and columns."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    Join,
    Select,
    TextClause,
    TextualSelect,
    inspect,
    select,
)
from sqlalchemy import types as sql

from flows.errors import DeclarationError
from flows.rows.columns import Choice, Question, type_name
from flows.rows.local_text import as_local_text
from flows.rows.operators import EXCLUSIONS, operators_of

_TEXT = (
    "select: text() is not supported, because the service adds conditions and an order."
    " Use select(table.c.column, …), or select(text(…).columns(…).subquery())"
)
# Default patterns for scope values, by type. The length limits exclude values that no column can contain.
_PATTERNS = {
    "integer": "-?[0-9]{1,20}",
    "uuid": "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "date": "[0-9]{4}-[0-9]{2}-[0-9]{2}",
}
# A word starts at a capital letter that follows a lower-case letter or digit. In a run of capitals, the last
# capital starts a new word if a lower-case letter follows it, as in HTTPStatus.
_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ACRONYM = re.compile(r"[A-Z][A-Z0-9]+")
_ANY_TEXT = r"[^\x00-\x1f\x7f]{1,200}"


@dataclass(frozen=True)
class Heading:
    """The label of a column. `pii` marks the column as personal data.

    The type and position of the column come from the select.
    """

    label: str | None = None
    pii: bool = False


@dataclass(frozen=True)
class Scope:
    """A value that every request must contain, such as the id of a survey.

    `pattern` is a regular expression that values must match. The default pattern depends on the column's
    type. `known` is the column that lists the existing values. The default is `column`. `title` is an
    optional column that contains a display name for each value. It must be in the same table as `known`. If
    `title` is set, callers can list and search the values. `claim` is the name of the claim that limits which
    values a caller may use. `allowed` contains conditions on the table of `known` and is set only by
    restrict_report().
    """

    column: ColumnElement[Any]
    pattern: str = ""
    known: ColumnElement[Any] = None  # type: ignore[assignment]  # set by the report
    label: str | None = None
    title: ColumnElement[Any] | None = None
    claim: str | None = None
    allowed: tuple[ColumnElement[bool], ...] = ()

    def matches(self, value: str) -> bool:
        return re.fullmatch(self.pattern, value, re.ASCII) is not None


@dataclass(frozen=True)
class Filter:
    """An optional condition.

    `choices` lists the valid values, and `operators` lists the allowed operators.
    """

    column: ColumnElement[Any]
    label: str | None = None
    choices: tuple[Any, ...] | None = None
    operators: tuple[str, ...] | None = None

    @property
    def known_choices(self) -> tuple[Any, ...] | None:
        if self.choices is None and isinstance(self.column.type, sql.Enum):
            return tuple(self.column.type.enums)
        return self.choices

    @property
    def suitable_operators(self) -> tuple[str, ...]:
        return operators_of(self.column.type) if self.known_choices is None else EXCLUSIONS

    @property
    def allowed_operators(self) -> tuple[str, ...]:
        return self.suitable_operators if self.operators is None else self.operators


@dataclass(frozen=True)
class Choices:
    """The choices that a report's questions offer.

    `select` returns a row (question key, code, label) for each choice, in order. Like `Report.scope`, `scope`
    restricts the choices to the scope values in the request. `stored` states whether the answers contain
    codes or labels.
    """

    select: Select[Any]
    scope: Mapping[str, ColumnElement[Any]]
    stored: Literal["codes", "labels"] = "codes"

    def stored_text(self, choice: Choice) -> str:
        return choice.code if self.stored == "codes" else choice.label

    def texts(self, question: Question, values: str | None) -> dict[str, str]:
        """Map each stored choice to its code or label, as selected by `values`.

        The mapping is empty if choices are written as they are stored.
        """
        if values in (None, self.stored):
            return {}
        pairs = [(choice.code, choice.label) for choice in question.choices]
        return dict(pairs) if values == "labels" else {label: code for code, label in pairs}


@dataclass(frozen=True)
class Questions:
    """Expands a JSON column into one column per question.

    `select` returns a row (key, label, multiple) for each question, in order. If `multiple` is true, the
    answer is a list, and its items are joined with `; `. Like `Report.scope`, `scope` restricts the questions
    to the scope values in the request. `pii` marks the answers as personal data. Callers who may not see
    personal data get no question columns. `choices` declares the choices of the questions. If it is set, an
    export can contain either codes or labels, and it can have a separate column for each choice.
    """

    answers: ColumnElement[Any]
    select: Select[Any]
    scope: Mapping[str, ColumnElement[Any]]
    pii: bool = False
    choices: Choices | None = None


def as_scope(value: Any, part: str, source: Select[Any]) -> Scope:
    scope = value if isinstance(value, Scope) else Scope(value)
    column = as_column(scope.column, part, source)
    known = as_column(scope.known, f"{part}: known", source) if scope.known is not None else column
    title = as_column(scope.title, f"{part}: title", source) if scope.title is not None else None
    pattern = scope.pattern or _PATTERNS.get(type_name(column.type), _ANY_TEXT)
    if not isinstance(pattern, str):
        raise DeclarationError(f"{part}: pattern must be a regular expression as text")
    label = as_local_text(scope.label, f"{part}: label")
    return replace(scope, column=column, known=known, title=title, pattern=pattern, label=label)


def as_filter(value: Any, part: str, source: Select[Any]) -> ColumnElement[Any] | Filter:
    if not isinstance(value, Filter):
        return as_column(value, part, source)
    if isinstance(value.choices, str) or not isinstance(value.choices, Iterable | None):
        raise DeclarationError(f'{part}: choices must be a tuple, such as choices=("AA", "DL")')
    choices = tuple(value.choices) if value.choices is not None else None
    label = as_local_text(value.label, f"{part}: label")
    return replace(value, column=as_column(value.column, part, source), choices=choices, label=label)


def as_heading(value: Any, part: str) -> Heading:
    if isinstance(value, str | Mapping):
        value = Heading(label=value)  # type: ignore[arg-type]  # converted below
    if not isinstance(value, Heading):
        raise DeclarationError(f"{part}: must be a label or Heading(label=…, pii=…)")
    return replace(value, label=as_local_text(value.label, f"{part}: label"))


def as_questions(questions: Questions, source: Select[Any]) -> Questions:
    selected = as_select(questions.select)
    return replace(
        questions,
        answers=as_column(questions.answers, "questions: answers", source),
        select=selected,
        scope=_scope_columns(questions.scope, "questions: scope", selected),
        choices=_as_choices(questions.choices) if questions.choices is not None else None,
    )


def _as_choices(choices: Any) -> Choices:
    part = "questions: choices"
    if not isinstance(choices, Choices) or choices.stored not in ("codes", "labels"):
        raise DeclarationError(f'{part}: must be Choices(select=…, scope=…, stored="codes" or "labels")')
    selected = as_select(choices.select)
    return replace(choices, select=selected, scope=_scope_columns(choices.scope, f"{part}: scope", selected))


def _scope_columns(scope: Any, part: str, source: Select[Any]) -> dict[str, ColumnElement[Any]]:
    columns = as_mapping(scope, part, '{"surveyId": survey_questions.c.survey_id}')
    return {name: as_column(value, part, source) for name, value in columns.items()}


def as_select(value: Any) -> Select[Any]:
    """Return the select unchanged, or build one from a table, view or ORM class."""
    if isinstance(value, Select):
        return value
    if isinstance(value, str | TextClause | TextualSelect):
        raise DeclarationError(_TEXT)
    if isinstance(value, CompoundSelect):
        raise DeclarationError("select: a union cannot be filtered; use select(union(…).subquery())")
    if inspect(value, raiseerr=False) is None:
        raise DeclarationError(f"select: {value!r} is not a select(…), a table or an ORM class")
    return select(value)


def as_column(value: Any, part: str, source: Select[Any]) -> ColumnElement[Any]:
    """Return the column that `value` identifies.

    `value` is a column, an ORM attribute, or the name of a column in `source`.
    """
    if isinstance(value, str):
        return _named(value, part, source)
    if isinstance(value, tuple | list):
        raise DeclarationError(
            f"{part}: must be one column, not {len(value)}. Combine the columns,"
            " for example as func.concat(table.c.a, '-', table.c.b)"
        )
    column = value.__clause_element__() if hasattr(value, "__clause_element__") else value
    if not isinstance(column, ColumnElement):
        raise DeclarationError(
            f"{part}: {value!r} is not a column such as table.c.name, an ORM attribute or a column's name"
        )
    return column


def as_mapping(value: Any, part: str, example: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise DeclarationError(f"{part}: must map names to values, such as {part}={example}")
    return value


def _named(name: str, part: str, source: Select[Any]) -> ColumnElement[Any]:
    keys = {str(column.key): column for column in source.exported_columns}
    selected = [column for key, column in keys.items() if name in (key, camel_case(key))]
    tables = list(_tables(source.get_final_froms()))
    columns = selected or [table.c[name] for table in tables if name in table.c]
    if not columns:
        names = [str(column.key) for table in tables for column in table.c]
        choices = ", ".join(dict.fromkeys(names))
        raise DeclarationError(f"{part}: no column is named {name!r}; choose from {choices}")
    if len(columns) > 1:
        candidates = " and ".join(map(str, columns))
        raise DeclarationError(f"{part}: {name!r} could be {candidates}; use the column instead of its name")
    return columns[0]


def _tables(sources: Iterable[FromClause]) -> Iterable[FromClause]:
    for source in sources:
        if isinstance(source, Join):
            yield from _tables([source.left, source.right])
        else:
            yield source


def camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def label_of(name: str) -> str:
    """Return a label for a name, such as `Submitted at` for `submitted_at` or `Customer ID` for `customerID`.

    Acronyms keep their capital letters, unless the whole name is in capitals.
    """
    spaced = _WORD_STARTS.sub(" ", name.replace("_", " "))
    words = (spaced.lower() if name.isupper() else spaced).split(" ")
    lowered = " ".join(word if _ACRONYM.fullmatch(word) else word.lower() for word in words)
    return lowered[:1].upper() + lowered[1:]
