"""Examples of recurring exports for the API docs."""

from typing import Any

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
NOTIFY = [{"kind": "webhook", "url": "https://hooks.example.com/reports", "on": ["done", "error", "paused"]}]
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
RUNS = [
    {"plannedAt": "2026-11-30T09:00:00+01:00", "from": "2026-11-23", "to": "2026-11-29"},
    {"plannedAt": "2026-12-07T09:00:00+01:00", "from": "2026-11-30", "to": "2026-12-06"},
    {"plannedAt": "2026-12-14T09:00:00+01:00", "from": "2026-12-07", "to": "2026-12-13"},
]
STATE = {
    "id": _ID,
    **WEEKLY,
    "notify": NOTIFY,
    "pausedReason": None,
    "readOnly": False,
    "nextRuns": RUNS,
    "createdAt": "2026-11-24T10:00:00+00:00",
    "updatedAt": "2026-11-24T10:00:00+00:00",
    "links": {
        "self": f"http://127.0.0.1:8000/schedules/{_ID}",
        "run": f"http://127.0.0.1:8000/schedules/{_ID}/run",
        "runs": f"http://127.0.0.1:8000/schedules/{_ID}/runs",
        "deliveries": f"http://127.0.0.1:8000/schedules/{_ID}/deliveries",
    },
}
EXAMPLES = {"weekly": WEEKLY, "every six hours": _SIX_HOURS, "monthly": _MONTHLY}
AT_EIGHT = {"cron": "0 8 * * MON"}
DELIVERY = {
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
WEBHOOK_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"  # noqa: S105 - nobody's
