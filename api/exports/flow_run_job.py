"""Convert Prefect flow runs to jobs, and define the tags and labels of these runs."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun

from api.access.caller import Caller
from api.exports.job import Job, Run
from flows.errors import InvalidRequest
from flows.query.report import DEFAULT_REPORT
from flows.query.request import ExportRequest
from flows.query.row_rights import Rights, parse_rights
from flows.runs.receipt import RunProgress
from flows.runs.tags import DELETED_TAG, OWNER, REPORT, SCHEDULE, owner_from_tags
from flows.schedules.parameters import parse_schedule_parameters, request_for_run

REQUEST_LABEL, EARLIER_REQUEST_TAG = "report-exports.request", "request:"


def owner_tag(caller: str) -> str:
    return OWNER + caller


def report_tag(name: str) -> str:
    return REPORT + name


def request_label(request: ExportRequest) -> dict[str, str]:
    """Return the label that identifies a run's request.

    A label needs less space than a tag, because Prefect copies a run's tags into each of the run's events.
    """
    return {REQUEST_LABEL: request.fingerprint[:32]}


def is_run_of(request: ExportRequest, flow_run: FlowRun) -> bool:
    fingerprint = request.fingerprint[:32]
    # Earlier versions stored a tag instead of a label.
    return (
        flow_run.labels.get(REQUEST_LABEL) == fingerprint
        or f"{EARLIER_REQUEST_TAG}{fingerprint}" in flow_run.tags
    )


def schedule_tag(schedule_id: str) -> str:
    return SCHEDULE + schedule_id


def retry_tag(job_id: str) -> str:
    return f"retry-of:{job_id}"


def run_parameters(request: ExportRequest, caller: Caller) -> dict[str, Any]:
    """Return the parameters for the flow run of an export.

    `mask_pii` and `rights` are separate from the request, so that callers cannot set them.
    """
    masked = {"mask_pii": True} if request.report.masked is not None else {}
    return {"request": dict(request.body), **masked, **rights_parameter(caller.rights)}


def rights_parameter(rights: Rights | None) -> dict[str, Any]:
    return {"rights": rights.as_parameter()} if rights is not None else {}


def stored_rights(parameters: Mapping[str, Any]) -> Rights | None:
    """Return the creator's rights, or None if all rows are allowed.

    Also returns None if an operator's edit has made the rights invalid.
    """
    try:
        return parse_rights(parameters.get("rights"))
    except InvalidRequest:
        return None


def caller_of(flow_run: FlowRun) -> str | None:
    """Return the owner of the run, or None if the owner has deleted it.

    Runs without an owner were started in the Prefect UI and belong to the local caller.
    """
    if DELETED_TAG in flow_run.tags:
        return None
    return owner_from_tags(flow_run.tags)


def tags_once_deleted(tags: Sequence[str]) -> list[str]:
    """Return the tags for a run that its owner has deleted.

    They hide the run from its owner. It can be removed from Prefect only after it has ended.
    """
    return [*(tag for tag in tags if not tag.startswith((OWNER, EARLIER_REQUEST_TAG))), DELETED_TAG]


def ended_without_receipt(flow_run: FlowRun, progress_by_run: Mapping[str, RunProgress]) -> bool:
    """Return whether the run has ended but its progress contains no receipt.

    In that case, the progress must be read again, because it may have been read before the run ended.
    """
    progress = progress_by_run.get(str(flow_run.id))
    return flow_run.state_type in TERMINAL_STATES and (progress is None or progress.receipt is None)


def as_job(flow_run: FlowRun, progress_by_run: Mapping[str, RunProgress], attempts: int) -> Job:
    return Job(_as_run(flow_run, attempts), progress_by_run.get(str(flow_run.id), RunProgress()))


def _as_run(flow_run: FlowRun, attempts: int) -> Run:
    state, request = flow_run.state, _request(flow_run)
    return Run(
        id=str(flow_run.id),
        name=flow_run.name,
        state_type=state.type.value if state else "SCHEDULED",
        state_name=(state.name if state else None) or "",
        state_message=(state.message if state else None) or "",
        request=request,
        report=str(request.get("report") or DEFAULT_REPORT),
        masked=bool(flow_run.parameters.get("mask_pii")),
        rights=stored_rights(flow_run.parameters),
        tags=frozenset(flow_run.tags),
        attempt=flow_run.run_count,
        attempts_left=flow_run.run_count < attempts,
        created_at=_created_at(flow_run),
        started_at=_to_plain_datetime(flow_run.start_time),
        finished_at=_to_plain_datetime(flow_run.end_time),
    )


def _request(flow_run: FlowRun) -> dict[str, Any]:
    """Return the run's request.

    The dates are filled in unless they depend on the last successful run.
    """
    request: Any = flow_run.parameters.get("request")
    if not isinstance(request, dict):
        return {}
    try:
        schedule = parse_schedule_parameters(flow_run.parameters.get("recurring") or {})
        if schedule.needs_last_success or flow_run.expected_start_time is None:
            return request
        return request_for_run(request, schedule, flow_run.expected_start_time, None)
    except InvalidRequest:  # an operator edited the parameters; the run will fail and report the error
        return request


def _created_at(flow_run: FlowRun) -> datetime:
    """Return the scheduled time if a schedule created the run, otherwise its creation time."""
    slot = flow_run.expected_start_time if flow_run.auto_scheduled else None
    return _to_plain_datetime(slot or cast("datetime | None", flow_run.created)) or datetime.now(UTC)


def _to_plain_datetime(time: datetime | None) -> datetime | None:
    """Convert Prefect's subclass of datetime to a plain datetime in UTC.

    Each poll computes the age of its job, and subtracting that subclass takes a fifth of the poll's time.
    """
    if time is None:
        return None
    utc = time.astimezone(UTC)
    return datetime(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, UTC)
