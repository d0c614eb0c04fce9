"""Convert Prefect deployments to schedules. Each schedule is stored as one deployment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse

from api.exports.flow_run_job import stored_rights
from api.schedules import timetable
from api.schedules.spec import ScheduleSpec
from flows.errors import InvalidRequest
from flows.query.row_rights import Rights
from flows.runs.tags import SCHEDULE, owner_from_tags, tag_value
from flows.schedules.parameters import ScheduleParameters, parse_schedule_parameters

_UNNAMEABLE = re.compile(r"[/%&<>\x00-\x1f\x7f]+")  # Prefect rejects /, %, &, < and > in names


@dataclass(frozen=True)
class StoredSchedule:
    """A schedule as stored in Prefect."""

    id: str
    deployment_id: UUID
    read_only: bool  # defined in prefect.yaml or created in the Prefect UI
    spec: ScheduleSpec
    recurring: ScheduleParameters
    schedule: timetable.Schedule
    slug: str | None
    version: str | None  # hash of the request body that created the schedule
    masked: bool  # created by a caller who may not see personal data
    rights: Rights | None  # rows that its creator may see
    created_at: datetime
    updated_at: datetime

    @property
    def report(self) -> str:
        return self.spec.report

    @property
    def request(self) -> Mapping[str, Any]:
        return self.spec.export

    @property
    def since(self) -> datetime:
        return self.recurring.since or self.created_at


def deployment_name(name: str, schedule_id: str) -> str:
    """Return the name for a new deployment.

    Prefect cannot rename a deployment. If the schedule is renamed, only the description is updated.
    """
    return " ".join([*_UNNAMEABLE.sub(" ", name).split(), schedule_id])


def owner_of(deployment: DeploymentResponse) -> str:
    return owner_from_tags(deployment.tags)


def id_of(deployment: DeploymentResponse) -> str:
    """Return the schedule id from the tag that the API sets, or the deployment id if there is no such tag."""
    return tag_value(deployment.tags, SCHEDULE) or str(deployment.id)


def as_stored_schedule(deployment: DeploymentResponse) -> StoredSchedule | None:
    """Return the schedule stored in the deployment, or None if the deployment has no schedule."""
    if not deployment.schedules:
        return None
    first = deployment.schedules[0]
    parameters: Mapping[str, Any] = {**deployment.parameters, **first.parameters}
    try:
        recurring = parse_schedule_parameters(parameters.get("recurring") or {})
    except InvalidRequest:  # an operator has edited the deployment
        recurring = ScheduleParameters(None)
    created = cast(datetime, deployment.created)
    return StoredSchedule(
        id=id_of(deployment),
        deployment_id=deployment.id,
        read_only=id_of(deployment) == str(deployment.id),
        spec=_spec(deployment, first, recurring, parameters),
        recurring=recurring,
        schedule=cast("timetable.Schedule", first.schedule),
        slug=first.slug,
        version=deployment.version,
        masked=bool(parameters.get("mask_pii")),
        rights=stored_rights(parameters),
        created_at=created,
        updated_at=cast("datetime | None", deployment.updated) or created,
    )


def _spec(
    deployment: DeploymentResponse,
    first: DeploymentSchedule,
    recurring: ScheduleParameters,
    parameters: Mapping[str, Any],
) -> ScheduleSpec:
    schedule = cast("timetable.Schedule", first.schedule)
    export: Any = parameters.get("request")
    zone_name = recurring.zone.key if recurring.zone is not None else None
    made_by_api = id_of(deployment) != str(deployment.id)
    return ScheduleSpec(
        name=(deployment.description or deployment.name) if made_by_api else deployment.name,
        enabled=not deployment.paused and any(schedule.active for schedule in deployment.schedules),
        recurrence=timetable.as_recurrence(schedule, first.slug, zone_name),
        range=recurring.range,
        export=export if isinstance(export, dict) else {},
        only_if_rows=recurring.only_if_rows,
        notify=recurring.notify,
    )
