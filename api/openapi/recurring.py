"""Schemas of recurring exports: what is asked for, and what is answered. Pure."""

from collections.abc import Mapping

from api.openapi.requests import DAY_PATTERN, zone
from api.openapi.words import (
    BOOLEAN,
    CRON,
    DAY,
    EVERY,
    LINE,
    MOMENT,
    NULL,
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
from flows.recurrence import MAX_LENGTH
from flows.relative_range import PRESETS
from flows.report import Report
from flows.request import MAX_NAME_LENGTH

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
    "notify": nullable(array({}, maxItems=0)),
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
    "readOnly": described(BOOLEAN, "Kept in prefect.yaml, or made in Prefect: it is changed there."),
    "nextRuns": array(ref("PlannedRun"), description="None while it is paused."),
    "createdAt": MOMENT,
    "updatedAt": MOMENT,
    "links": given({name: text(format="uri") for name in ("self", "run", "runs")}),
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
    "ScheduleList": given(
        {"items": array(ref("Schedule")), "nextCursor": nullable(text("Leads to the next page."))}
    ),
}
