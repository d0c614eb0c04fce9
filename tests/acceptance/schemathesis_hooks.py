"""What makes generated data valid, where no schema can say it: days of the calendar, ids that exist, rules
that recur. Wrong data goes out as it was made. Read by schemathesis itself (SCHEMATHESIS_HOOKS).
"""

import secrets
import zlib
from collections.abc import Sequence
from typing import Any

import schemathesis

SURVEY_REPORT = "survey-responses"
SURVEY = "668b6fa3b8d693cd865b44bb"
# Of each, one is taken by what was generated; null stays null.
CHOICES: dict[str, Sequence[str]] = {
    "surveyId": (SURVEY, "678460aa4e2f1b00c7d3095e", "66f0b9e27a5d3c0019f4b6d8"),
    "from": ("2024-7-19", "2024-07-19", "2024-07-19T10:00:00.5+02:00", "2024-02-29"),
    "to": ("2024-7-26", "2025-01-31", "2024-07-26T23:00:00Z", "2024-08-01t00:00:00z"),
    "timeZone": ("UTC", "Europe/Madrid", "America/New_York", "Pacific/Kiritimati", "Asia/Kathmandu"),
    "sort": ("country", "-country"),  # in both reports
    # Seldom: Prefect plans the next hundred runs of each, and would be busy with nothing else.
    "cron": ("0 9 * * MON", "15 6 1 * *", "30 23 29 2 *"),
    "rrule": (
        "FREQ=YEARLY;BYMONTH=2;BYDAY=1MO",
        "DTSTART:20240101T073000\nRRULE:FREQ=MONTHLY;BYSETPOS=1;BYDAY=MO",
    ),
    "every": ("PT1000H30M", "P90D", "P52W"),
    "anchor": ("2026-01-01T00:00:00Z", "2026-01-01T09:00:00+01:00"),
    "report": ("orders", SURVEY_REPORT),
}
OF_REPORT = {
    SURVEY_REPORT: ("surveyId", "isAttended", "utm"),
    "orders": ("status", "currency", "country", "gift"),
}
NESTED = ("export", "range", "recurrence")


@schemathesis.hook
def map_case(context: Any, case: Any) -> Any:
    if case.meta is not None and case.meta.generation.mode.is_negative:
        return case
    for given in (case.body, case.query):
        if isinstance(given, dict):
            _mend(given)
    if case.operation.path == "/reports":
        case.query = _of_one_report(case.query or {})
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = secrets.token_hex(16)  # with another body it would be refused
    return case


def _mend(given: dict[str, Any]) -> None:
    for name in given.keys() & CHOICES.keys() - {"report"}:
        if isinstance(given[name], str):
            given[name] = _chosen(name, given[name])
    if isinstance(given.get("name"), str):
        given["name"] = "".join(filter(str.isprintable, given["name"])) or "a name"
    if isinstance(given.get("columns"), list):
        _mend_columns(given)
    for number, each in enumerate(given.get("notify") or ()):
        if isinstance(each, dict):
            each["url"] = f"https://hooks.example.com/{number}"
    given.pop("cursor", None)  # only the service makes them
    for name in NESTED:
        if isinstance(given.get(name), dict):
            _mend(given[name])


def _chosen(name: str, value: str) -> str:
    return CHOICES[name][zlib.crc32(value.encode("utf-8", "replace")) % len(CHOICES[name])]


def _mend_columns(given: dict[str, Any]) -> None:
    """Questions are those of one survey, and `answers` stands for all of them."""
    columns = [key for key in given["columns"] if not key.startswith("answers")]
    if len(columns) < len(given["columns"]):
        given |= {"columns": [*columns, "answers.overall"], "surveyId": SURVEY}


def _of_one_report(query: dict[str, Any]) -> dict[str, Any]:
    """No parameter can say which report it belongs to, nor that it excludes another."""
    report = query.get("report", SURVEY_REPORT)
    others = {name for names in OF_REPORT.values() for name in names} | {"items", "filters", "columns"}
    found = {name: value for name, value in query.items() if name not in others - set(OF_REPORT[report])}
    period = {"from": _chosen("from", str(query.get("from"))), "to": _chosen("to", str(query.get("to")))}
    return found | period | ({"surveyId": SURVEY} if report == SURVEY_REPORT else {})
