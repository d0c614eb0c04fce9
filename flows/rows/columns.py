"""Describe the columns of an export."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy import types as sql
from sqlalchemy.dialects import mysql


@dataclass(frozen=True)
class Choice:
    """One of the answers that a survey question offers."""

    code: str
    label: str


@dataclass(frozen=True)
class Question:
    """A survey question and the part of its answers that a column contains.

    If `multiple` is true, an answer is a list of choices. `texts` maps stored choices to the text in the
    file. If `selected` is set, the column contains 1 for answers that include this choice and 0 for other
    answers. Choices in `omitted` do not appear in the column.
    """

    key: str
    label: str
    multiple: bool
    choices: tuple[Choice, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    selected: str | None = None
    omitted: frozenset[str] = frozenset()

    @property
    def is_recoded(self) -> bool:
        """Return whether the values in the column differ from the stored answers."""
        return bool(self.texts or self.omitted) or self.selected is not None


@dataclass(frozen=True)
class OutputColumn:
    """A column of the file. If `question` is set, `expression` is the JSON document with the answers."""

    key: str
    label: str
    type: str
    pii: bool
    expression: ColumnElement[Any]
    question: Question | None = None

    @property
    def zoned(self) -> bool:
        """Return whether the values of the column have a time zone.

        Such values are written in the time zone of the request.
        """
        return self.type == "date-time" and bool(getattr(self.expression.type, "timezone", False))


_TYPE_NAMES: tuple[tuple[type[sql.TypeEngine[Any]], str], ...] = (
    (sql.Boolean, "boolean"),
    (sql.Integer, "integer"),
    (mysql.BIT, "integer"),
    (mysql.YEAR, "integer"),
    (sql.Numeric, "number"),
    (sql.Float, "number"),  # Since SQLAlchemy 2.1, Float is no longer a subclass of Numeric.
    (sql.DateTime, "date-time"),
    (sql.Date, "date"),
    (sql.Time, "time"),
    (sql.JSON, "json"),
    (sql.Uuid, "uuid"),
)


def type_name(kind: sql.TypeEngine[Any]) -> str:
    """Return the API's name for a column type. The name is the same for every database."""
    return next((name for base, name in _TYPE_NAMES if isinstance(kind, base)), "string")
