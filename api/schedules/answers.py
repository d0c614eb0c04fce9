"""Response models for schedules and webhook deliveries."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.schedules import timetable
from api.schedules.deployment import StoredSchedule
from api.schedules.notify import Webhook
from api.schedules.spec import ScheduleSpec
from api.web.answer import Answer, Count, NextCursor, Timestamp, TimestampText, Uri, Uuid
from flows.errors import InvalidRequest
from flows.schedules.parameters import ScheduleParameters, request_for_run
from flows.schedules.recurrence import Recurrence
from flows.schedules.relative_range import PRESETS, Absolute, Range, Relative, SinceLast
from flows.webhooks.subscriptions import EVENT_TYPES

SHOWN_SLOTS = 3
_ID = "0b52b3f8-1f0e-4c4f-8d4e-3f9f6f4e2a11"


class Cron(Answer):
    cron: str = Field(examples=["0 9 * * MON"])
    time_zone: str = Field(examples=["Europe/Madrid"])


class Rrule(Answer):
    rrule: str
    time_zone: str


class Interval(Answer):
    every: str = Field(examples=["PT6H"])
    time_zone: str
    anchor: TimestampText


class RelativeDates(Answer):
    kind: Literal["relative"]
    preset: str = Field(json_schema_extra={"enum": list(PRESETS)})


class AbsoluteDates(Answer):
    kind: Literal["absolute"]
    from_: str = Field(alias="from")
    to: str


class DatesSinceLast(Answer):
    kind: Literal["since-last"]


class PlannedRun(Answer):
    planned_at: Timestamp = Field(examples=["2026-11-30T09:00:00+01:00"])
    from_: str | None = Field(
        alias="from", description="A day or timestamp. Null if it depends on a run that has not finished."
    )
    to: str | None


class PlannedRuns(Answer):
    runs: list[PlannedRun]


class RunFailure(Answer):
    code: str
    message: str = Field(description="A message to show to users.")


class PausedReason(Answer):
    code: Literal["failures", "rights"]
    detail: str = Field(description="A message to show to users.")
    at: TimestampText
    failures: Count
    export_id: Uuid = Field(description="Id of the last failed export.")
    error: RunFailure


class ScheduleLinks(Answer):
    self_: Uri = Field(alias="self")
    run: Uri
    runs: Uri
    deliveries: Uri


class Schedule(Answer):
    id: Uuid = Field(examples=[_ID])
    name: str = Field(examples=["Weekly attendees"])
    enabled: bool
    recurrence: Cron | Rrule | Interval
    range: RelativeDates | AbsoluteDates | DatesSinceLast | None
    export: dict[str, Any] = Field(description="The request without its dates.")
    only_if_rows: bool
    notify: list[Webhook]
    paused_reason: PausedReason | None
    read_only: bool = Field(
        description="True if the schedule is defined in prefect.yaml or in Prefect and must be changed there."
    )
    next_runs: list[PlannedRun] = Field(description="The next runs. Empty while the schedule is paused.")
    created_at: Timestamp
    updated_at: Timestamp
    links: ScheduleLinks


class ScheduleList(Answer):
    items: list[Schedule]
    next_cursor: NextCursor


class Delivery(Answer):
    id: str = Field(description="The `webhook-id` header sent to the receiver.")
    event: str = Field(json_schema_extra={"enum": list(EVENT_TYPES.values())})
    export_id: Uuid | None
    host: str = Field(examples=["hooks.example.com"])
    status: Literal["waiting", "sending", "delivered", "failed"]
    attempt: Count
    response_status: Count | None
    error: RunFailure | None
    created_at: Timestamp | None
    last_attempt_at: Timestamp | None
    next_attempt_at: Timestamp | None = Field(description="Null unless `status` is `waiting`.")


class DeliveryList(Answer):
    items: list[Delivery]
    next_cursor: NextCursor


class WebhookSecret(Answer):
    secret: str = Field(
        description="Signing secret in the format of Standard Webhooks, with prefix `whsec_`."
    )


def schedule_answer(stored: StoredSchedule, notify: list[Webhook], now: datetime, base_url: str) -> Schedule:
    """Build the response for `GET /schedules/{id}`. `notify` contains the webhooks to show."""
    spec, url = stored.spec, f"{base_url}/schedules/{stored.id}"
    paused = stored.recurring.paused if not spec.enabled else None
    return Schedule(
        id=stored.id,
        name=spec.name,
        enabled=spec.enabled,
        recurrence=_recurrence(spec.recurrence),
        range=_range(spec.range),
        export=dict(spec.export),
        only_if_rows=spec.only_if_rows,
        notify=notify,
        paused_reason=PausedReason.model_validate(paused.as_body()) if paused is not None else None,
        read_only=stored.read_only,
        next_runs=_planned_runs(spec, stored.recurring, stored.schedule, now) if spec.enabled else [],
        created_at=stored.created_at,
        updated_at=stored.updated_at,
        links=ScheduleLinks(self_=url, run=f"{url}/run", runs=f"{url}/runs", deliveries=f"{url}/deliveries"),
    )


def runs_of_new_schedule(spec: ScheduleSpec, now: datetime) -> list[PlannedRun]:
    """Return the next runs that the schedule would have if it were created now."""
    return _planned_runs(spec, spec.recurring(now), timetable.as_schedule(spec.recurrence), now)


def _planned_runs(
    spec: ScheduleSpec, recurring: ScheduleParameters, schedule: timetable.Schedule, now: datetime
) -> list[PlannedRun]:
    """Return the next runs and the dates that they will cover if all earlier runs succeed."""
    runs: list[PlannedRun] = []
    previous: datetime | None = None
    for slot in timetable.next_slots(schedule, now, SHOWN_SLOTS):
        try:
            request = request_for_run(spec.export, recurring, slot, previous)
        except InvalidRequest:
            request = {}
        planned_at = recurring.starts_at(slot).astimezone(spec.recurrence.zone)
        runs.append(PlannedRun(planned_at=planned_at, from_=request.get("from"), to=request.get("to")))
        previous = slot
    return runs


def _recurrence(recurrence: Recurrence) -> Cron | Rrule | Interval:
    body = recurrence.as_body()
    if recurrence.kind == "cron":
        return Cron.model_validate(body)
    return Rrule.model_validate(body) if recurrence.kind == "rrule" else Interval.model_validate(body)


def _range(range_: Range | None) -> RelativeDates | AbsoluteDates | DatesSinceLast | None:
    match range_:
        case Relative(preset):
            return RelativeDates(kind="relative", preset=preset)
        case Absolute(start, end):
            return AbsoluteDates(kind="absolute", from_=start, to=end)
        case SinceLast():
            return DatesSinceLast(kind="since-last")
    return None
