"""The query of `GET /exports`, and the cursor that leads to its next page."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.access.caller import Caller
from api.exports.job import Status
from api.web.ids import UUID_SCHEMA, is_id
from api.web.queries import DEFAULT_LIMIT, NEXT_PAGE, Limit, QueryModel, from_cursor, to_cursor
from flows.query.date_range import EARLIEST, LATEST


@dataclass(frozen=True)
class ExportFilter:
    """Selects some of a caller's exports; None selects all."""

    caller: Caller
    status: Status | None = None
    report: str | None = None
    schedule_id: str | None = None
    deployment_id: UUID | None = None


@dataclass(frozen=True)
class Position:
    """A position in a list, newest first: after `before`, and after the runs `seen` of that instant."""

    before: datetime
    seen: tuple[UUID, ...] = ()

    def after(self, at: datetime, run_id: UUID) -> "Position":
        return Position(at, (*self.seen, run_id) if at == self.before else (run_id,))


def encode(position: Position) -> str:
    content = json.dumps([position.before.isoformat(), *map(str, position.seen)], separators=(",", ":"))
    return to_cursor(content.encode())


def decode(text: str) -> Position:
    """Raise ValueError for a cursor that is damaged."""
    try:
        before, *seen = json.loads(from_cursor(text))
        position = Position(datetime.fromisoformat(before), tuple(UUID(each) for each in seen))
        if position.before.tzinfo is None or not EARLIEST <= position.before.date() <= LATEST:
            raise ValueError
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ValueError("the cursor is damaged") from None
    return position


def _read_id(text: str) -> str:
    if not is_id(text):
        raise PydanticCustomError("format", "Not the id of a schedule.")
    return text.lower()


def _known_report(name: str, info: ValidationInfo) -> str:
    assert info.context is not None  # noqa: S101 - the route gives the reports
    reports = info.context["reports"]
    if name not in reports:
        raise PydanticCustomError("invalid", "Must be one of {names}.", {"names": ", ".join(sorted(reports))})
    return name


class PageQuery(QueryModel):
    """A page of exports."""

    limit: Limit = DEFAULT_LIMIT
    cursor: Annotated[Position, PlainValidator(decode), WithJsonSchema({"type": "string"})] | None = Field(
        None, description=NEXT_PAGE
    )


class ExportListQuery(PageQuery):
    """`report` is checked against the reports of the caller, which come as validation context."""

    status: Status | None = Field(None, description="Only exports with this status.")
    report: Annotated[str, AfterValidator(_known_report)] | None = Field(
        None, description="Only exports of this report."
    )
    schedule_id: Annotated[str, PlainValidator(_read_id), WithJsonSchema(UUID_SCHEMA)] | None = Field(
        None, description="Only runs of this schedule."
    )

    def filter(self, caller: Caller) -> ExportFilter:
        return ExportFilter(caller, self.status, self.report, self.schedule_id)
