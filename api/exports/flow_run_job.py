"""What a Prefect flow run says of a job: whose it is, what was asked, how it stands. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun

from api.exports.job import Job, Run
from flows.errors import InvalidRequest
from flows.query.request import ExportRequest
from flows.runs.receipt import RunProgress
from flows.runs.tags import DELETED_TAG, OWNER, REPORT, SCHEDULE, owner_from_tags
from flows.schedules.parameters import parse_schedule_parameters, request_for_run


def owner_tag(caller: str) -> str:
    return OWNER + caller


def report_tag(name: str) -> str:
    return REPORT + name


def request_tag(request: ExportRequest) -> str:
    return f"request:{request.fingerprint[:32]}"


def schedule_tag(schedule_id: str) -> str:
    return SCHEDULE + schedule_id


def retry_tag(job_id: str) -> str:
    return f"retry-of:{job_id}"


def run_parameters(request: ExportRequest) -> dict[str, Any]:
    """Of the flow. That columns are masked stands beside the request: no caller can write it there."""
    masked = {"mask_pii": True} if request.report.masked is not None else {}
    return {"request": dict(request.body), **masked}


def caller_of(found: FlowRun) -> str | None:
    """A run that an operator started in the Prefect UI has no owner and is the local caller's; None is
    for a run that its owner has deleted."""
    if DELETED_TAG in found.tags:
        return None
    return owner_from_tags(found.tags)


def forgotten(tags: Sequence[str]) -> list[str]:
    """The tags of a run whose record is to be removed once its work has stopped."""
    return [*(tag for tag in tags if not tag.startswith((OWNER, "request:"))), DELETED_TAG]


def ended_without_receipt(found: FlowRun, progress_by_run: Mapping[str, RunProgress]) -> bool:
    """The progress may have been read before the state: it must be read again."""
    progress = progress_by_run.get(str(found.id))
    return found.state_type in TERMINAL_STATES and (progress is None or progress.receipt is None)


def as_job(found: FlowRun, progress_by_run: Mapping[str, RunProgress], attempts: int) -> Job:
    return Job(_as_run(found, attempts), progress_by_run.get(str(found.id), RunProgress()))


def _as_run(found: FlowRun, attempts: int) -> Run:
    state = found.state
    return Run(
        id=str(found.id),
        name=found.name,
        state_type=state.type.value if state else "SCHEDULED",
        state_name=(state.name if state else None) or "",
        state_message=(state.message if state else None) or "",
        request=_request(found),
        masked=bool(found.parameters.get("mask_pii")),
        tags=frozenset(found.tags),
        attempt=found.run_count,
        attempts_left=found.run_count < attempts,
        created_at=_created_at(found),
        started_at=found.start_time,
        finished_at=found.end_time,
    )


def _request(found: FlowRun) -> dict[str, Any]:
    """With the days that the run covers; until it has begun, those of `since-last` are not known."""
    request: Any = found.parameters.get("request")
    if not isinstance(request, dict):
        return {}
    try:
        asked = parse_schedule_parameters(found.parameters.get("recurring") or {})
        if asked.needs_last_success or found.expected_start_time is None:
            return request
        return request_for_run(request, asked, found.expected_start_time, None)
    except InvalidRequest:  # written by hand; the run itself will say what is wrong
        return request


def _created_at(found: FlowRun) -> datetime:
    """A planned run becomes a job at its time; Prefect makes it days before."""
    planned = found.expected_start_time if found.auto_scheduled else None
    return planned or cast("datetime | None", found.created) or datetime.now(UTC)
