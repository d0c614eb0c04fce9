"""The columns of an export."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement


@dataclass(frozen=True)
class Question:
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
        """Whether it holds moments of the world's time, which are written in the request's time zone."""
        return self.type == "date-time" and bool(getattr(self.expression.type, "timezone", False))
