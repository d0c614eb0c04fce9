"""Kill the process of a run at a named point of its first attempt.

Each point has a report, and only exports of that report die there. Workers load the reports from a package
that `write_reports` creates.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

from prefect.runtime import flow_run
from sqlalchemy import func, select

from flows import export
from flows.reports import Report
from flows.runs import final_states
from flows.runs.progress import ProgressReporter
from flows.samples.orders import orders
from flows.storage.s3 import S3Upload

BEFORE, AFTER = True, False
# 100 rows of 100 kB need a multipart upload.
FILLERS = {"small": 1, "large": 100_000}
ROWS_BELOW = "SO-2023-000101"


@dataclass(frozen=True)
class Point:
    """A point before or after the call of a function. `attempt` is the one that stores the file."""

    owner: Any
    function: str
    is_before: bool
    size: str = "small"
    attempt: int = 2


POINTS = {
    "rows-counted": Point(ProgressReporter, "start", AFTER),
    "part-sent": Point(S3Upload, "_send_part", AFTER, size="large"),
    "parts-sent": Point(S3Upload, "commit", BEFORE, size="large"),
    "object-published": Point(S3Upload, "commit", AFTER, size="large"),
    "small-object-published": Point(S3Upload, "commit", AFTER),
    "link-checked": Point(ProgressReporter, "finish", BEFORE),
    "receipt-stored": Point(ProgressReporter, "finish", AFTER),
    "result-ready": Point(final_states, "completed", AFTER),
    "run-completed": Point(export, "leave_page", BEFORE, attempt=1),
}


def report(name: str) -> Report:
    """Return the report of a point, and make exports of this report die there."""
    point = POINTS[name]
    hooks = export.export_report.on_completion_hooks
    if point.function == "leave_page":
        hooks.insert(0, _dying(name, lambda *_: None, BEFORE))
    else:
        original = getattr(point.owner, point.function)
        setattr(point.owner, point.function, _dying(name, original, point.is_before))
    filler = func.repeat("x", FILLERS[point.size]).label("filler")
    return Report(
        name=name,
        title=name,
        select=select(orders.c.number, filler).where(orders.c.number < ROWS_BELOW),
        key=orders.c.id,
    )


def write_reports(folder: Path) -> str:
    """Create a package with the reports of all points in the folder, and return its name."""
    package = folder / "dying_reports"
    package.mkdir()
    (package / "__init__.py").touch()
    for name in POINTS:
        text = f"from tests.support import fault_points\n\nREPORT = fault_points.report({name!r})\n"
        (package / f"{name.replace('-', '_')}.py").write_text(text)
    return package.name


def _dying(name: str, function: Callable[..., Any], is_before: bool) -> Callable[..., Any]:
    @wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        if is_before:
            _die_at(name)
        result = function(*arguments, **keywords)
        if not is_before:
            _die_at(name)
        return result

    return call


def _die_at(name: str) -> None:
    request: Any = flow_run.parameters.get("request", {})
    if request.get("report") == name and flow_run.run_count == 1:
        os.kill(os.getpid(), signal.SIGKILL)
