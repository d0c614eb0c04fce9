"""Schemas of recurring exports: what is asked for, and what is answered. Pure."""

from collections.abc import Mapping
from typing import get_args

from api.openapi.requests import DAY_PATTERN, zone
from api.openapi.words import (
    BOOLEAN,
    COUNT,
    CRON,
    DAY,
    EVERY,
    ID,
    LINE,
    MOMENT,
    NULL,
    RECEIVER,
    RRULE,
    Schema,
    array,
    choice,
    described,
    given,
    nullable,
    ref,
    taken,
    text,
)
from api.schedules.delivery import DeliveryStatus
from api.schedules.notify import MOST
from flows.query.report import Report
from flows.query.request_fields import MAX_NAME_LENGTH
from flows.schedules.recurrence import MAX_LENGTH
from flows.schedules.relative_range import PRESETS
from flows.webhooks import address
from flows.webhooks.subscriptions import DEFAULT_EVENTS, EVENT_TYPES, EVENTS

_CRON = text(
    "Five fields: minute, hour, day, month, weekday; at least 15 minutes apart.",
    format=CRON,
    minLength=1,
    maxLength=MAX_LENGTH,
)
_RRULE = text(
    "One rule of RFC 5545, daily or rarer; a local DTSTART may stand before it.",
    format=RRULE,
    minLength=1,
    maxLength=MAX_LENGTH,
)
_EVERY = text(
    "`P2W`, `P1D`, `PT6H` or `PT1H30M`; at least 15 minutes.",
    format=EVERY,
    pattern=r"^P(\d{1,4}W|\d{1,4}D|T(\d{1,5}H)?(\d{1,6}M)?)$",
)
_ANCHOR = described({"type": "string", "format": "date-time"}, "The slot that `every` counts from; now.")


def _recurrence(kind: str, schema: Schema, **more: Schema) -> Schema:
    others = {name: NULL for name in ("cron", "rrule", "every", "anchor") if name not in (kind, *more)}
    return taken({kind: schema, "timeZone": nullable(zone()), **more, **others}, [kind])


def _range(kind: str, **more: Schema) -> Schema:
    return taken({"kind": {"type": "string", "const": kind}, **more}, ["kind", *more])


def _days() -> Schema:
    return text(format=DAY, pattern=DAY_PATTERN)


_NAME = text("What people call it.", format=LINE, minLength=1, maxLength=MAX_NAME_LENGTH)
_BODY: dict[str, Schema] = {
    "name": _NAME,
    "enabled": nullable({**BOOLEAN, "default": True}),
    "recurrence": ref("Recurrence"),
    "range": ref("Range"),
    "export": ref("RecurringRequest"),
    "onlyIfRows": nullable({**BOOLEAN, "default": False}),
    "notify": nullable(array(ref("NewWebhook"), maxItems=MOST)),
}

# What a recurring export that was written by hand in Prefect asks for, nobody has checked.
_STATE: dict[str, Schema] = {
    "id": text(format="uuid"),
    "name": text(),
    "enabled": BOOLEAN,
    "recurrence": ref("Recurrence"),
    "range": {"anyOf": [ref("Range"), NULL]},
    "export": {"type": "object", "description": "The request without its days."},
    "onlyIfRows": BOOLEAN,
    "notify": array(ref("Webhook")),
    "pausedReason": {"anyOf": [ref("PausedReason"), NULL]},
    "readOnly": described(BOOLEAN, "Kept in prefect.yaml, or made in Prefect: it is changed there."),
    "nextRuns": array(ref("PlannedRun"), description="None while it is paused."),
    "createdAt": MOMENT,
    "updatedAt": MOMENT,
    "links": given({name: text(format="uri") for name in ("self", "run", "runs", "deliveries")}),
}


_ON = array(choice(EVENTS), minItems=1)
_WEBHOOK_URL = text("https, on port 443, at a public address.", format=RECEIVER, maxLength=address.MAX_LENGTH)
_ERROR = given({"code": text(), "message": text("For people.")})
_DELIVERY: dict[str, Schema] = {
    "id": text("The `webhook-id` that the receiver sees."),
    "event": choice(EVENT_TYPES.values()),
    "exportId": nullable(ID),
    "host": text(),
    "status": choice(get_args(DeliveryStatus)),
    "attempt": COUNT,
    "responseStatus": nullable(COUNT),
    "error": nullable(_ERROR),
    "createdAt": nullable(MOMENT),
    "lastAttemptAt": nullable(MOMENT),
    "nextAttemptAt": nullable(MOMENT),
}
_PAUSED: dict[str, Schema] = {
    "code": choice(("failures",)),
    "detail": text("For people."),
    "at": MOMENT,
    "failures": COUNT,
    "exportId": described(ID, "The last one that failed."),
    "error": _ERROR,
}


def schedule_schemas(reports: Mapping[str, Report]) -> dict[str, Schema]:
    return _bodies(reports) | _SCHEMAS


def _bodies(reports: Mapping[str, Report]) -> dict[str, Schema]:
    """A report that has no days has no range; all others need one."""
    all_have_days = bool(reports) and all(each.period is not None for each in reports.values())
    body = _BODY if all_have_days else _BODY | {"range": nullable(_BODY["range"])}
    needed = ["recurrence", "export", *(["range"] if all_have_days else [])]
    return {
        "NewSchedule": taken(body, ["name", *needed]),
        "SchedulePreview": taken(body | {"name": nullable(_NAME)}, needed),
        "ScheduleChange": taken(body),
    }


_SCHEMAS: dict[str, Schema] = {
    "Recurrence": {
        "oneOf": [ref("CronRecurrence"), ref("RruleRecurrence"), ref("IntervalRecurrence")],
        "description": "When it recurs.",
    },
    "CronRecurrence": _recurrence("cron", _CRON),
    "RruleRecurrence": _recurrence("rrule", _RRULE),
    "IntervalRecurrence": _recurrence("every", _EVERY, anchor=nullable(_ANCHOR)),
    "Range": {
        "oneOf": [ref("RelativeRange"), ref("AbsoluteRange"), ref("SinceLastRange")],
        "description": "Which days a run covers, told from the time that it was planned for.",
    },
    "RelativeRange": _range("relative", preset=choice(PRESETS)),
    "AbsoluteRange": _range("absolute", **{"from": _days(), "to": _days()}),
    "SinceLastRange": _range("since-last"),
    "PlannedRun": given(
        {
            "plannedAt": MOMENT,
            "from": nullable(text("A day or a moment; none while nobody can know it.")),
            "to": nullable(text()),
        }
    ),
    "PlannedRuns": given({"runs": array(ref("PlannedRun"))}),
    "Schedule": given(_STATE),
    "NewWebhook": taken(
        {
            "kind": {"type": "string", "const": "webhook"},
            "url": _WEBHOOK_URL,
            "on": nullable({**_ON, "default": list(DEFAULT_EVENTS)}),
        },
        ["kind", "url"],
    ),
    "Webhook": given(
        {"kind": text(), "url": text("In lists, and for whoever may not see it whole, its host."), "on": _ON}
    ),
    "PausedReason": given(_PAUSED),
    "Delivery": given(_DELIVERY),
    "DeliveryList": given(
        {"items": array(ref("Delivery")), "nextCursor": nullable(text("Leads to the next page."))}
    ),
    "WebhookSecret": given({"secret": text("Begins with `whsec_`.")}),
    "ScheduleList": given(
        {"items": array(ref("Schedule")), "nextCursor": nullable(text("Leads to the next page."))}
    ),
}
