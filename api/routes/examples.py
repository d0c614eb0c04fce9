"""Example requests for the API docs."""

from typing import Any

ARTICLE: dict[str, Any] = {
    "surveyId": "668b6fa3b8d693cd865b44bb",
    "from": "2024-7-19",
    "to": "2024-7-26",
    "filters": {"isAttended": True, "utm": "wa"},
}
ORDERS: dict[str, Any] = {
    "report": "orders",
    "from": "2024-07-01",
    "to": "2024-07-31",
    "filters": {"status": ["paid", "shipped"]},
}
EXPORTS: dict[str, Any] = {
    "survey": {"summary": "One week of a survey", "value": ARTICLE},
    "orders": {"summary": "One month of orders", "value": ORDERS},
}

_WEEKLY: dict[str, Any] = {
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
    "notify": [{"kind": "webhook", "url": "https://hooks.example.com/reports"}],
}
_MONTHLY: dict[str, Any] = {
    "name": "Orders of the previous month, on the first weekday",
    "recurrence": {
        "rrule": "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1;BYHOUR=7;BYMINUTE=30",
        "timeZone": "America/New_York",
    },
    "range": {"kind": "relative", "preset": "previous-month"},
    "export": {"report": "orders"},
}
SCHEDULES: dict[str, Any] = {
    "weekly": {"value": _WEEKLY},
    "every six hours": {"value": _SIX_HOURS},
    "monthly": {"value": _MONTHLY},
}
CHANGES: dict[str, Any] = {
    "pause": {"value": {"enabled": False}},
    "at eight": {"value": {"recurrence": {"cron": "0 8 * * MON"}}},
}
TOKENS: dict[str, Any] = {
    "one survey": {
        "value": {
            "caller": "user-17",
            "reports": ["survey-responses"],
            "allow": {"surveyId": ["668b6fa3b8d693cd865b44bb"]},
            "minutes": 30,
        }
    },
}
