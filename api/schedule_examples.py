"""Examples of recurring exports for the API docs."""

from typing import Any

from api.examples import answer, parameter

WEEKLY: dict[str, Any] = {
    "name": "Weekly attendees",
    "enabled": True,
    "recurrence": {"cron": "0 9 * * MON", "timeZone": "Europe/Madrid"},
    "range": {"kind": "relative", "preset": "previous-week"},
    "export": {
        "report": "survey-responses",
        "surveyId": "668b6fa3b8d693cd865b44bb",
        "filters": {"isAttended": True},
    },
    "onlyIfRows": False,
}
_SIX_HOURS: dict[str, Any] = {
    "name": "New paid orders",
    "recurrence": {"every": "PT6H", "timeZone": "UTC"},
    "range": {"kind": "since-last"},
    "export": {"report": "orders", "filters": {"status": "paid"}},
    "onlyIfRows": True,
}
_MONTHLY: dict[str, Any] = {
    "name": "Orders of the month before, on its first weekday",
    "recurrence": {
        "rrule": "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1;BYHOUR=7;BYMINUTE=30",
        "timeZone": "America/New_York",
    },
    "range": {"kind": "relative", "preset": "previous-month"},
    "export": {"report": "orders"},
}
_ID = "0b52b3f8-1f0e-4c4f-8d4e-3f9f6f4e2a11"
_RUNS = [
    {"plannedAt": "2026-11-30T09:00:00+01:00", "from": "2026-11-23", "to": "2026-11-29"},
    {"plannedAt": "2026-12-07T09:00:00+01:00", "from": "2026-11-30", "to": "2026-12-06"},
    {"plannedAt": "2026-12-14T09:00:00+01:00", "from": "2026-12-07", "to": "2026-12-13"},
]
_STATE = {
    "id": _ID,
    **WEEKLY,
    "readOnly": False,
    "nextRuns": _RUNS,
    "createdAt": "2026-11-24T10:00:00+00:00",
    "updatedAt": "2026-11-24T10:00:00+00:00",
    "links": {
        "self": f"http://127.0.0.1:8000/schedules/{_ID}",
        "run": f"http://127.0.0.1:8000/schedules/{_ID}/run",
        "runs": f"http://127.0.0.1:8000/schedules/{_ID}/runs",
    },
}
_PROPERTIES: dict[str, Any] = {
    "name": {"type": "string", "maxLength": 200},
    "enabled": {"type": "boolean", "default": True},
    "recurrence": {
        "type": "object",
        "description": "One of `cron` (five fields), `rrule` (RFC 5545) and `every` (an ISO 8601 duration).",
        "additionalProperties": False,
        "properties": {
            "cron": {"type": "string"},
            "rrule": {"type": "string"},
            "every": {"type": "string"},
            "anchor": {"type": "string", "description": "The slot that `every` counts from; now."},
            "timeZone": {"type": "string", "default": "UTC"},
        },
    },
    "range": {
        "type": "object",
        "description": "Which days a run covers, told from the time that it was planned for.",
        "additionalProperties": False,
        "required": ["kind"],
        "properties": {
            "kind": {"type": "string", "enum": ["relative", "absolute", "since-last"]},
            "preset": {"type": "string"},
            "from": {"type": "string"},
            "to": {"type": "string"},
        },
    },
    "export": {"type": "object", "description": "The request without `from` and `to`."},
    "onlyIfRows": {"type": "boolean", "default": False},
}


def _body(required: list[str], examples: dict[str, Any]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": _PROPERTIES,
    }
    shown = {name: {"value": value} for name, value in examples.items()}
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": shown}}}


EXAMPLES = {"weekly": WEEKLY, "every six hours": _SIX_HOURS, "monthly": _MONTHLY}

CREATE: dict[str, Any] = {
    "requestBody": _body(["name", "recurrence", "export"], EXAMPLES),
    "responses": {"201": answer("The recurring export.", _STATE)},
}
PREVIEW: dict[str, Any] = {
    "requestBody": _body(["recurrence", "export"], EXAMPLES),
    "responses": {"200": answer("The next runs.", {"runs": _RUNS})},
}
CHANGE: dict[str, Any] = {
    "requestBody": _body(
        [], {"pause": {"enabled": False}, "at eight": {"recurrence": {"cron": "0 8 * * MON"}}}
    ),
    "responses": {"200": answer("The recurring export.", _STATE)},
}
LIST: dict[str, Any] = {
    "parameters": [
        parameter("limit", "1 to 100; 20 when not given."),
        parameter("cursor", "The `nextCursor` of the page before."),
    ]
}
