"""Define the query parameters, filters and cursors for `GET /exports`."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    Operator,
)
from prefect.client.schemas.objects import StateType
from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.access.caller import LOCAL_CALLER, Caller
from api.exports.flow_run_job import owner_tag, report_tag, schedule_tag
from api.exports.job import Job, Status
from api.web.ids import UUID_SCHEMA, is_id
from api.web.queries import DEFAULT_LIMIT, NEXT_PAGE, Limit, QueryModel, SearchText, from_cursor, to_cursor
from flows.errors import NoRows
from flows.query.date_range import EARLIEST, LATEST
from flows.runs.tags import CODE, EXPIRED_TAG

WAITING = (StateType.SCHEDULED, StateType.PENDING)
RUNNING = (StateType.RUNNING, StateType.CANCELLING)
# Prefect starts a planned run up to a second early. A small export may then end before its planned time.
EARLY_START = timedelta(seconds=1)


@dataclass(frozen=True)
class RunSelection:
    """Runs that Prefect can select with one filter.

    They have one of the state types or state names, and the tag.
    """

    state_types: tuple[StateType, ...]
    state_names: tuple[str, ...] = ()
    tag: str | None = None

    @property
    def state(self) -> FlowRunFilterState:
        types = FlowRunFilterStateType(any_=list(self.state_types))
        names = FlowRunFilterStateName(any_=list(self.state_names)) if self.state_names else None
        state = FlowRunFilterState(type=types, name=names)
        state.operator = Operator.or_
        return state


# A selection may contain runs with a different status. They are removed after their progress has been read.
# Only one kind of run is missing: a completed run without a receipt has the status `error`. This happens only
# if an operator sets a run to Completed in Prefect. To find such runs, every list of errors would have to
# read all completed runs.
SELECTIONS: dict[Status, tuple[RunSelection, ...]] = {
    "queued": (RunSelection((*WAITING, StateType.PAUSED, StateType.CRASHED)),),
    "running": (RunSelection(RUNNING),),
    "finalizing": (RunSelection(RUNNING),),
    "done": (RunSelection((StateType.COMPLETED,)),),
    "expired": (RunSelection((StateType.COMPLETED,), tag=EXPIRED_TAG),),
    "error": (RunSelection((StateType.FAILED, StateType.CRASHED)),),
    "cancelled": (
        RunSelection((StateType.CANCELLED,), (NoRows.earlier_state_name,)),
        RunSelection((StateType.COMPLETED,), tag=CODE + NoRows.code),
    ),
}


@dataclass(frozen=True)
class ExportFilter:
    """Filter for a caller's exports. Fields that are None do not restrict the list."""

    caller: Caller
    status: Status | None = None
    report: str | None = None
    schedule_id: str | None = None
    deployment_id: UUID | None = None
    search: "Search | None" = None


@dataclass(frozen=True)
class Search:
    """A search term, with the reports and schedules whose titles contain it."""

    text: str
    reports: frozenset[str] = frozenset()
    schedule_ids: frozenset[str] = frozenset()

    def matches(self, job: Job) -> bool:
        if job.run.report in self.reports or job.schedule_id in self.schedule_ids:
            return True
        file = job.progress.receipt
        texts = (job.run.request.get("name"), job.run.report, job.run.id, file and file.name)
        return any(contains(str(text), self.text) for text in texts if text)


def contains(text: str, part: str) -> bool:
    """Return whether `text` contains `part`, ignoring case."""
    return part.casefold() in text.casefold()


@dataclass(frozen=True)
class Position:
    """A position in a list that is sorted from newest to oldest.

    The next page starts at the time `before`. Several runs can have exactly this time. The ones that were
    already returned are in `seen`, and the next page skips them.
    """

    before: datetime
    seen: tuple[UUID, ...] = ()

    def after(self, at: datetime, run_id: UUID) -> "Position":
        return Position(at, (*self.seen, run_id) if at == self.before else (run_id,))


def first_position(now: datetime) -> Position:
    """Return the position of the first page, which excludes runs that are planned for later."""
    return Position(now + EARLY_START)


def encode(position: Position) -> str:
    content = json.dumps([position.before.isoformat(), *map(str, position.seen)], separators=(",", ":"))
    return to_cursor(content.encode())


def decode(text: str) -> Position:
    """Decode a cursor.

    Raises ValueError if it is malformed.
    """
    try:
        before, *seen = json.loads(from_cursor(text))
        position = Position(datetime.fromisoformat(before), tuple(UUID(run_id) for run_id in seen))
        if position.before.tzinfo is None or not EARLIEST <= position.before.date() <= LATEST:
            raise ValueError
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ValueError("the cursor is malformed") from None
    return position


def _read_id(text: str) -> str:
    if not is_id(text):
        raise PydanticCustomError("format", "Not a valid schedule id.")
    return text.lower()


def _known_report(name: str, info: ValidationInfo) -> str:
    assert info.context is not None  # noqa: S101 - the route passes the reports
    reports = info.context["reports"]
    if name not in reports:
        raise PydanticCustomError("invalid", "Must be one of {names}.", {"names": ", ".join(sorted(reports))})
    return name


class PageQuery(QueryModel):
    """Parameters that select a page of exports."""

    limit: Limit = DEFAULT_LIMIT
    cursor: Annotated[Position, PlainValidator(decode), WithJsonSchema({"type": "string"})] | None = Field(
        None, description=NEXT_PAGE
    )


class ExportListQuery(PageQuery):
    """Parameters of `GET /exports`. The validation context must contain the caller's `reports`."""

    status: Status | None = Field(None, description="Only exports with this status.")
    report: Annotated[str, AfterValidator(_known_report)] | None = Field(
        None, description="Only exports of this report."
    )
    schedule_id: Annotated[str, PlainValidator(_read_id), WithJsonSchema(UUID_SCHEMA)] | None = Field(
        None, description="Only runs of this schedule."
    )
    search: SearchText = Field(
        "",
        description="Only exports whose name, report, schedule, file name or id contains this text (case is"
        " ignored). A page may then have fewer items than `limit`. Continue while `nextCursor` is set.",
    )

    def filter(self, caller: Caller) -> ExportFilter:
        return ExportFilter(caller, self.status, self.report, self.schedule_id)


def run_filters(selected: ExportFilter, position: Position) -> list[FlowRunFilter]:
    """Return the filters for the runs from which a page is selected.

    Prefect cannot combine them in one request. A run matches the list if it matches one of the filters.
    """
    if selected.status is None:
        return [_run_filter(selected, position)]
    return [_run_filter(selected, position, selection) for selection in SELECTIONS[selected.status]]


def _run_filter(
    selected: ExportFilter, position: Position, selection: RunSelection | None = None
) -> FlowRunFilter:
    caller = selected.caller.name
    tags = [owner_tag(caller)] if caller != LOCAL_CALLER else []
    tags += [report_tag(selected.report)] if selected.report else []
    tags += [schedule_tag(selected.schedule_id)] if selected.schedule_id else []
    tag = selection.tag if selection is not None else None
    deployment = [selected.deployment_id] if selected.deployment_id is not None else None
    return FlowRunFilter(
        expected_start_time=FlowRunFilterExpectedStartTime(before_=position.before),
        deployment_id=FlowRunFilterDeploymentId(any_=deployment) if deployment else None,
        id=FlowRunFilterId(not_any_=list(position.seen)) if position.seen else None,
        tags=_tag_filter(tags, tag),
        state=selection.state if selection is not None else None,
    )


def _tag_filter(tags: list[str], tag: str | None) -> FlowRunFilterTags | None:
    """Return a filter for runs that have all these tags.

    `tag` has its own condition, because the condition of a partial index in Prefect's database must be equal
    to it (see deployments/stack/parts/prefect_index.py).
    """
    if not tags and tag is None:
        return None
    return FlowRunFilterTags(all_=tags or None, any_=[tag] if tag is not None else None)
