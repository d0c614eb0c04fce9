"""Format schedules as table rows, and planned runs as lines."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from deployments.command_line.text.plain_text import strip_controls

HEADINGS = ("ID", "NAME", "REPORT", "RECURRENCE", "TIME ZONE", "RANGE", "STATE", "NEXT RUN")
_KINDS = ("cron", "every", "rrule")
DEFAULT_REPORT = "survey-responses"


def format_row(schedule: Mapping[str, Any]) -> list[str]:
    """Return the table cells for a schedule. The next run is shown in the schedule's time zone."""
    recurrence, runs = schedule["recurrence"], schedule["nextRuns"]
    rule = next((str(recurrence[kind]) for kind in _KINDS if recurrence.get(kind)), "")
    cells = [
        str(schedule["id"]),
        str(schedule["name"]),
        str(schedule["export"].get("report") or DEFAULT_REPORT),
        rule,
        str(recurrence["timeZone"]),
        format_range(schedule["range"]),
        format_state(schedule),
        f"{datetime.fromisoformat(runs[0]['plannedAt']):%Y-%m-%d %H:%M}" if runs else "",
    ]
    return [strip_controls(cell) for cell in cells]


def format_range(range_: Mapping[str, Any] | None) -> str:
    """Format a range in the syntax of --range."""
    if range_ is None:
        return ""
    if range_["kind"] == "absolute":
        return f"{range_['from']}..{range_['to']}"
    return str(range_.get("preset") or range_["kind"])


def format_state(schedule: Mapping[str, Any]) -> str:
    """Return the state of a schedule. Schedules from prefect.yaml are read-only."""
    state = "active" if schedule["enabled"] else "paused"
    return f"{state}, read-only" if schedule["readOnly"] else state


def format_planned_runs(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Format each run as a line such as `Mon 2024-07-22 09:00 +02:00: 2024-07-15 to 2024-07-21`."""
    if not runs:
        return ["No runs are planned."]
    return [f"{_format_timestamp(run['plannedAt'])}{_format_days(run['from'], run['to'])}" for run in runs]


def _format_timestamp(text: str) -> str:
    timestamp = datetime.fromisoformat(text)
    offset = f"{timestamp:%z}"
    return f"{timestamp:%a %Y-%m-%d %H:%M} {offset[:3]}:{offset[3:5]}"


def _format_days(start: str | None, end: str | None) -> str:
    if start is None:
        return ""
    if start == end:
        return f": {strip_controls(start)}"
    return f": {strip_controls(start)} to {strip_controls(str(end))}"
