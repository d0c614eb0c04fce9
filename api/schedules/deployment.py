"""What a Prefect deployment says of a recurring export, as run_as_job says it of a job. No IO."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse

from api.schedules import timetable
from api.schedules.body import RecurringExport
from flows.errors import InvalidRequest
from flows.runs.tags import SCHEDULE, owner_from_tags, tag_value
from flows.schedules.parameters import ScheduleParameters, parse_schedule_parameters, request_for_run

NAME_PREFIX = "recurring-"
SHOWN_SLOTS = 3


@dataclass(frozen=True)
class Kept:
    """`read_only` are those of prefect.yaml, and whatever else an operator has made in Prefect.

    `version` stands for the body with which it was made; `masked`: by somebody who may not see what is
    about a person.
    """

    id: str
    deployment_id: UUID
    read_only: bool
    asked: RecurringExport
    recurring: ScheduleParameters
    schedule: timetable.Schedule
    slug: str | None
    version: str | None
    masked: bool
    created_at: datetime
    updated_at: datetime

    @property
    def since(self) -> datetime:
        return self.recurring.since or self.created_at


@dataclass(frozen=True)
class PlannedRun:
    planned_at: datetime
    start: str | None
    end: str | None

    def as_body(self) -> dict[str, str | None]:
        return {"plannedAt": self.planned_at.isoformat(), "from": self.start, "to": self.end}


def owner_of(found: DeploymentResponse) -> str:
    return owner_from_tags(found.tags)


def id_of(found: DeploymentResponse) -> str:
    """The one in its tag, where the API has made it."""
    return tag_value(found.tags, SCHEDULE) or str(found.id)


def as_kept(found: DeploymentResponse) -> Kept | None:
    """None for a deployment that does not recur, or whose parameters are not ours to read."""
    if not found.schedules:
        return None
    first = found.schedules[0]
    parameters: Mapping[str, Any] = {**found.parameters, **first.parameters}
    try:
        recurring = parse_schedule_parameters(parameters.get("recurring") or {})
    except InvalidRequest:
        recurring = ScheduleParameters(None)
    created = cast(datetime, found.created)
    return Kept(
        id=id_of(found),
        deployment_id=found.id,
        read_only=id_of(found) == str(found.id),
        asked=_asked(found, first, recurring, parameters),
        recurring=recurring,
        schedule=cast("timetable.Schedule", first.schedule),
        slug=first.slug,
        version=found.version,
        masked=bool(parameters.get("mask_pii")),
        created_at=created,
        updated_at=cast("datetime | None", found.updated) or created,
    )


def _asked(
    found: DeploymentResponse,
    first: DeploymentSchedule,
    recurring: ScheduleParameters,
    parameters: Mapping[str, Any],
) -> RecurringExport:
    schedule = cast("timetable.Schedule", first.schedule)
    export: Any = parameters.get("request")
    zone_name = recurring.zone.key if recurring.zone is not None else None
    made_by_api = id_of(found) != str(found.id)
    return RecurringExport(
        name=(found.description or found.name) if made_by_api else found.name,
        enabled=not found.paused and any(each.active for each in found.schedules),
        recurrence=timetable.as_recurrence(schedule, first.slug, zone_name),
        range=recurring.range,
        export=export if isinstance(export, dict) else {},
        only_if_rows=recurring.only_if_rows,
        notify=recurring.notify,
    )


def planned_runs(
    asked: RecurringExport, recurring: ScheduleParameters, schedule: timetable.Schedule, now: datetime
) -> list[PlannedRun]:
    """The next ones, each with the days it would cover if all before it succeed."""
    found: list[PlannedRun] = []
    last: datetime | None = None
    for slot in timetable.next_slots(schedule, now, SHOWN_SLOTS):
        try:
            request = request_for_run(asked.export, recurring, slot, last)
        except InvalidRequest:
            request = {}
        local = slot.astimezone(asked.recurrence.zone)
        found.append(PlannedRun(local, request.get("from"), request.get("to")))
        last = slot
    return found


def shown(kept: Kept, notify: Sequence[Mapping[str, Any]], now: datetime, base: str) -> dict[str, Any]:
    """The state of `GET /schedules/{id}`; `notify` as its reader may see it."""
    here = f"{base}/schedules/{kept.id}"
    paused = kept.recurring.paused if not kept.asked.enabled else None
    runs = planned_runs(kept.asked, kept.recurring, kept.schedule, now) if kept.asked.enabled else []
    return {
        "id": kept.id,
        **kept.asked.as_body(),
        "notify": list(notify),
        "pausedReason": paused.as_body() if paused is not None else None,
        "readOnly": kept.read_only,
        "nextRuns": [run.as_body() for run in runs],
        "createdAt": kept.created_at.isoformat(),
        "updatedAt": kept.updated_at.isoformat(),
        "links": {
            "self": here,
            "run": f"{here}/run",
            "runs": f"{here}/runs",
            "deliveries": f"{here}/deliveries",
        },
    }
