"""How far an export is, in words; the bar and the plain lines say the same. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from deployments.command_line.text.plain_text import counted, duration, one_line, size

_PHASES = {
    "waiting": "Waiting",
    "counting": "Counting rows",
    "exporting": "Exporting",
    "verifying": "Verifying",
    "cancelling": "Cancelling",
}


class Pace:
    """Rows a second since rows were first seen."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._first: tuple[float, int] | None = None

    def rows_a_second(self, written: int) -> int | None:
        now = self._clock()
        if not written or self._first is None or written < self._first[1]:  # another attempt begins anew
            self._first = (now, written) if written else None
            return None
        since, rows = self._first
        return round((written - rows) / (now - since)) if now > since else None


def phase(job: Mapping[str, Any]) -> str:
    return _PHASES.get(str(job.get("phase")), str(job["status"]).capitalize())


def facts(job: Mapping[str, Any], rows_a_second: int | None) -> str:
    """`4,200 of 10,000 rows, 1,200 rows/s, 5 s left`; as much of it as is known."""
    rows = job["rows"]
    if job["status"] == "queued":
        before = int(job["queue"]["position"])
        return f"{counted(before, 'export')} before it" if before else ""
    if rows["expected"] is None:
        return ""
    known = [f"{rows['written']:,} of {counted(rows['expected'], 'row')}"]
    if rows_a_second:
        known.append(f"{rows_a_second:,} rows/s")
    if job["etaSeconds"] is not None and rows["written"] < rows["expected"]:
        known.append(f"{duration(job['etaSeconds'])} left")
    return ", ".join(known)


def received(count: int, total: int) -> str:
    return f"{size(count)} of {size(total)}"


def summary(job: Mapping[str, Any], shown: str) -> str:
    file = job["file"]
    what = f"{counted(file['rows'], 'row')}, {size(file['bytes'])}"
    return f"{one_line(shown)}: {what}, SHA-256 verified ({file['sha256'][:12]}…)"


def no_rows(job: Mapping[str, Any]) -> bool:
    """Of a recurring export that is to make a file only if there are rows: no failure, and no file."""
    return (job.get("error") or {}).get("code") == "rows.none"


def failure(job: Mapping[str, Any]) -> str:
    """Why there is no file, with the id to quote."""
    error = job.get("error") or {}
    reason = one_line(str(error.get("message") or "The export ended without a file."))
    code = f" ({error['code']})" if error.get("code") else ""
    quote = "" if str(job["id"]) in reason else f" Quote {job['id']}."
    return f"{reason.removesuffix('.')}{code}.{quote}"
