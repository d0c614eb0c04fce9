"""Format the progress and the outcome of an export."""

from collections.abc import Callable, Mapping
from typing import Any

from deployments.command_line.text.plain_text import (
    format_count,
    format_duration,
    format_size,
    strip_controls,
)

_PHASES = {
    "waiting": "Waiting",
    "counting": "Counting rows",
    "exporting": "Exporting",
    "verifying": "Verifying",
    "cancelling": "Cancelling",
}


class RowRate:
    """Measures the average number of rows per second since the current attempt produced its first rows."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._start: tuple[float, int] | None = None

    def update(self, rows_written: int) -> int | None:
        """Record the number of rows and return the rate, or None if the rate is not known yet."""
        now = self._clock()
        # A lower row count means that a new attempt has started.
        if not rows_written or self._start is None or rows_written < self._start[1]:
            self._start = (now, rows_written) if rows_written else None
            return None
        start, rows_at_start = self._start
        return round((rows_written - rows_at_start) / (now - start)) if now > start else None


def format_phase(job: Mapping[str, Any]) -> str:
    return _PHASES.get(str(job.get("phase")), str(job["status"]).capitalize())


def format_progress(job: Mapping[str, Any], rows_per_second: int | None) -> str:
    """Format the progress, for example as `4,200 of 10,000 rows, 1,200 rows/s, 5 s left`.

    Unknown parts are omitted.
    """
    rows = job["rows"]
    if job["status"] == "queued":
        position = int(job["queue"]["position"])
        return f"{format_count(position, 'export')} ahead" if position else ""
    if rows["expected"] is None:
        return ""
    parts = [f"{rows['written']:,} of {format_count(rows['expected'], 'row')}"]
    if rows_per_second:
        parts.append(f"{rows_per_second:,} rows/s")
    if job["etaSeconds"] is not None and rows["written"] < rows["expected"]:
        parts.append(f"{format_duration(job['etaSeconds'])} left")
    return ", ".join(parts)


def format_download(byte_count: int, total: int) -> str:
    return f"{format_size(byte_count)} of {format_size(total)}"


def format_summary(job: Mapping[str, Any], label: str) -> str:
    file = job["file"]
    content = f"{format_count(file['rows'], 'row')}, {format_size(file['bytes'])}"
    return f"{strip_controls(label)}: {content}, SHA-256 verified ({file['sha256'][:12]}…)"


def has_no_rows(job: Mapping[str, Any]) -> bool:
    """Return whether a scheduled export has no file because of `onlyIfRows`. This is not a failure."""
    return (job.get("error") or {}).get("code") == "rows.none"


def format_failure(job: Mapping[str, Any]) -> str:
    """Return a message that says why there is no file. It contains the error code and the job id."""
    error = job.get("error") or {}
    reason = strip_controls(str(error.get("message") or "The export ended without a file."))
    code = f" ({error['code']})" if error.get("code") else ""
    quote = "" if str(job["id"]) in reason else f" Export id: {job['id']}."
    return f"{reason.removesuffix('.')}{code}.{quote}"
