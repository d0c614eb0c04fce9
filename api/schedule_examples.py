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
_NOTIFY = [{"kind": "webhook", "url": "https://hooks.example.com/reports", "on": ["done", "error", "paused"]}]
_SIX_HOURS: dict[str, Any] = {
    "name": "New paid orders",
    "recurrence": {"every": "PT6H", "timeZone": "UTC"},
    "range": {"kind": "since-last"},
    "export": {"report": "orders", "filters": {"status": "paid"}},
    "onlyIfRows": True,
    "notify": [{"kind": "webhook", "url": "https://hooks.example.com/reports"}],
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
    "notify": _NOTIFY,
    "pausedReason": None,
    "readOnly": False,
    "nextRuns": _RUNS,
    "createdAt": "2026-11-24T10:00:00+00:00",
    "updatedAt": "2026-11-24T10:00:00+00:00",
    "links": {
        "self": f"http://127.0.0.1:8000/schedules/{_ID}",
        "run": f"http://127.0.0.1:8000/schedules/{_ID}/run",
        "runs": f"http://127.0.0.1:8000/schedules/{_ID}/runs",
        "deliveries": f"http://127.0.0.1:8000/schedules/{_ID}/deliveries",
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
    "notify": {
        "type": "array",
        "maxItems": 3,
        "description": "Addresses that get a Standard Webhooks message.",
        "items": {
            "type": "object",
            "additionalProperties": False,
            "required": ["kind", "url"],
            "properties": {
                "kind": {"type": "string", "enum": ["webhook"]},
                "url": {"type": "string", "format": "uri", "maxLength": 1024},
                "on": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"type": "string", "enum": ["done", "error", "cancelled", "paused"]},
                    "default": ["done", "error", "paused"],
                },
            },
        },
    },
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
DELIVERIES: dict[str, Any] = {
    **LIST,
    "responses": {
        "200": answer(
            "A page of deliveries.",
            {
                "items": [
                    {
                        "id": "msg_4f2d1c0a9b8e4d7f8a6b5c4d3e2f1a0b",
                        "event": "export.done",
                        "exportId": "899e1228-d7b8-40fc-8490-70e6f1efb338",
                        "host": "hooks.example.com",
                        "status": "delivered",
                        "attempt": 2,
                        "responseStatus": 204,
                        "error": None,
                        "createdAt": "2026-11-30T08:00:01+00:00",
                        "lastAttemptAt": "2026-11-30T08:00:07+00:00",
                        "nextAttemptAt": None,
                    }
                ],
                "nextCursor": None,
            },
        )
    },
}
WEBHOOK_SECRET: dict[str, Any] = {
    "responses": {"200": answer("The key.", {"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"})}
}
