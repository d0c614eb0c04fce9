"""The columns of an export."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement


@dataclass(frozen=True)
class Question:
    """A question of a survey. The answer to one with `multiple` is a list of choices."""

    key: str
    label: str
    multiple: bool


@dataclass(frozen=True)
class OutputColumn:
    """A column of the file; where `question` is set, `expression` is the JSON that holds the answer."""

    key: str
    label: str
    type: str
    pii: bool
    expression: ColumnElement[Any]
    question: Question | None = None

    @property
    def zoned(self) -> bool:
        """True if the column holds instants, which are written in the request's time zone."""
        return self.type == "date-time" and bool(getattr(self.expression.type, "timezone", False))
