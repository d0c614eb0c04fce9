"""Schedules as Prefect deployments: one deployment each, read as a stored schedule."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse

from api.schedules import timetable
from api.schedules.spec import ScheduleSpec
from flows.errors import InvalidRequest
from flows.runs.tags import SCHEDULE, owner_from_tags, tag_value
from flows.schedules.parameters import ScheduleParameters, parse_schedule_parameters

NAME_PREFIX = "recurring-"


@dataclass(frozen=True)
class StoredSchedule:
    """A schedule in Prefect.

    `read_only`: defined in prefect.yaml, or made in Prefect itself. `version` identifies the body that
    created it. `masked`: created by a caller who may not see personal data.
    """

    id: str
    deployment_id: UUID
    read_only: bool
    spec: ScheduleSpec
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


def owner_of(deployment: DeploymentResponse) -> str:
    return owner_from_tags(deployment.tags)


def id_of(deployment: DeploymentResponse) -> str:
    """Return the id in the tag that the API has set, or else the deployment's own."""
    return tag_value(deployment.tags, SCHEDULE) or str(deployment.id)


def as_stored_schedule(deployment: DeploymentResponse) -> StoredSchedule | None:
    """Return None for a deployment without a schedule."""
    if not deployment.schedules:
        return None
    first = deployment.schedules[0]
    parameters: Mapping[str, Any] = {**deployment.parameters, **first.parameters}
    try:
        recurring = parse_schedule_parameters(parameters.get("recurring") or {})
    except InvalidRequest:  # written by hand
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
        enabled=not deployment.paused and any(each.active for each in deployment.schedules),
        recurrence=timetable.as_recurrence(schedule, first.slug, zone_name),
        range=recurring.range,
        export=export if isinstance(export, dict) else {},
        only_if_rows=recurring.only_if_rows,
        notify=recurring.notify,
    )
