"""Define schemathesis hooks for constraints that the schema cannot express.

The hooks replace generated dates, ids and recurrence rules with valid values. Deliberately invalid data is
sent unchanged. schemathesis loads this module through SCHEMATHESIS_HOOKS.
"""

import secrets
import zlib
from collections.abc import Sequence
from typing import Any

import schemathesis

SURVEY_REPORT = "survey-responses"
SURVEY = "668b6fa3b8d693cd865b44bb"
# Maps each field name to valid values. One of them replaces any string that is generated for the field.
CHOICES: dict[str, Sequence[str]] = {
    "surveyId": (SURVEY, "678460aa4e2f1b00c7d3095e", "66f0b9e27a5d3c0019f4b6d8"),
    "from": ("2024-7-19", "2024-07-19", "2024-07-19T10:00:00.5+02:00", "2024-02-29"),
    "to": ("2024-7-26", "2025-01-31", "2024-07-26T23:00:00Z", "2024-08-01t00:00:00z"),
    "timeZone": ("UTC", "Europe/Madrid", "America/New_York", "Pacific/Kiritimati", "Asia/Kathmandu"),
    "sort": ("country", "-country"),  # both reports have this column
    # Prefect creates up to 100 runs per schedule in advance. These schedules run so rarely that no run should
    # start during the tests.
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
FORMATS = ("csv", "jsonl", "parquet", "xlsx")


@schemathesis.hook
def map_case(context: Any, case: Any) -> Any:
    if case.meta is not None and case.meta.generation.mode.is_negative:
        return case
    for fields in (case.body, case.query):
        if isinstance(fields, dict):
            _make_valid(fields)
    if case.operation.path == "/reports":
        case.query = _query_for_one_report(case.query or {})
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = secrets.token_hex(16)  # each body needs a new key
    return case


def _make_valid(fields: dict[str, Any]) -> None:
    for name in fields.keys() & CHOICES.keys() - {"report"}:
        if isinstance(fields[name], str):
            fields[name] = _choose(name, fields[name])
    if isinstance(fields.get("name"), str):
        fields["name"] = "".join(filter(str.isprintable, fields["name"])) or "a name"
    if isinstance(fields.get("columns"), list):
        _limit_to_one_question(fields)
    for number, channel in enumerate(fields.get("notify") or ()):
        if isinstance(channel, dict):
            channel["url"] = f"https://hooks.example.com/{number}"
    fields.pop("cursor", None)  # only the service creates cursors
    if fields.get("format") in (*FORMATS, None):
        for name in fields.keys() & set(FORMATS) - {fields.get("format") or "csv"}:
            del fields[name]  # these options belong to a different format
    _remove_unsuitable(fields)
    for name in NESTED:
        if isinstance(fields.get(name), dict):
            _make_valid(fields[name])


def _remove_unsuitable(fields: dict[str, Any]) -> None:
    """Remove fields that the schema allows but the report or the format does not."""
    if fields.get("report") not in (SURVEY_REPORT, None):
        fields.pop("answers", None)
    csv = fields.get("csv")
    is_gzip = isinstance(csv, dict) and csv.get("compression") == "gzip"
    if is_gzip or fields.get("format") in ("jsonl", "parquet"):
        fields.pop("codebook", None)


def _choose(name: str, value: str) -> str:
    return CHOICES[name][zlib.crc32(value.encode("utf-8", "replace")) % len(CHOICES[name])]


def _limit_to_one_question(fields: dict[str, Any]) -> None:
    """Replace all answer columns with a single answer column from the sample survey."""
    columns = [key for key in fields["columns"] if not key.startswith("answers")]
    if len(columns) < len(fields["columns"]):
        fields |= {"columns": [*columns, "answers.overall"], "surveyId": SURVEY}


def _query_for_one_report(query: dict[str, Any]) -> dict[str, Any]:
    """Remove the parameters that belong to reports other than the requested one.

    OpenAPI cannot express that parameters are mutually exclusive.
    """
    report = query.get("report", SURVEY_REPORT)
    report_parameters = {name for names in OF_REPORT.values() for name in names} | {
        "items",
        "filters",
        "columns",
    }
    allowed = {
        name: value
        for name, value in query.items()
        if name not in report_parameters - set(OF_REPORT[report])
        and not ("[" in name and name.partition("[")[0] in query)  # `a` and `a[op]` are mutually exclusive
    }
    period = {"from": _choose("from", str(query.get("from"))), "to": _choose("to", str(query.get("to")))}
    return allowed | period | ({"surveyId": SURVEY} if report == SURVEY_REPORT else {})
