"""A recurring export in words and as a row. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from deployments.command_line.text.plain_text import one_line

HEADINGS = ("ID", "NAME", "REPORT", "RECURS", "TIME ZONE", "COVERS", "STATE", "NEXT RUN")
_KINDS = ("cron", "every", "rrule")
DEFAULT_REPORT = "survey-responses"


def row(schedule: Mapping[str, Any]) -> list[str]:
    """The next run is told in the recurrence's own zone, which stands beside it."""
    recurrence, runs = schedule["recurrence"], schedule["nextRuns"]
    recurs = next((str(recurrence[kind]) for kind in _KINDS if recurrence.get(kind)), "")
    cells = [
        str(schedule["id"]),
        str(schedule["name"]),
        str(schedule["export"].get("report") or DEFAULT_REPORT),
        recurs,
        str(recurrence["timeZone"]),
        covers(schedule["range"]),
        state(schedule),
        f"{datetime.fromisoformat(runs[0]['plannedAt']):%Y-%m-%d %H:%M}" if runs else "",
    ]
    return [one_line(cell) for cell in cells]


def covers(days: Mapping[str, Any] | None) -> str:
    """As --range takes it."""
    if days is None:
        return ""
    if days["kind"] == "absolute":
        return f"{days['from']}..{days['to']}"
    return str(days.get("preset") or days["kind"])


def state(schedule: Mapping[str, Any]) -> str:
    """One that is kept in prefect.yaml is changed there."""
    running = "active" if schedule["enabled"] else "paused"
    return f"{running}, read-only" if schedule["readOnly"] else running


def planned(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """`Mon 2024-07-22 09:00 +02:00: 2024-07-15 to 2024-07-21`, each in the recurrence's own zone."""
    if not runs:
        return ["There are no runs to come."]
    return [f"{_moment(run['plannedAt'])}{_days(run['from'], run['to'])}" for run in runs]


def _moment(text: str) -> str:
    found = datetime.fromisoformat(text)
    offset = f"{found:%z}"
    return f"{found:%a %Y-%m-%d %H:%M} {offset[:3]}:{offset[3:5]}"


def _days(start: str | None, end: str | None) -> str:
    if start is None:
        return ""
    return f": {one_line(start)}" if start == end else f": {one_line(start)} to {one_line(str(end))}"
