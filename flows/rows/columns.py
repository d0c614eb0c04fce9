"""Describe the columns of an export."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement


@dataclass(frozen=True)
class Question:
    """A survey question. If `multiple` is true, its answer is a list of choices."""

    key: str
    label: str
    multiple: bool


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
        """Return whether the column has a time zone.

        Its values are then written in the time zone of the request.
        """
        return self.type == "date-time" and bool(getattr(self.expression.type, "timezone", False))
