"""Progress on stderr: a bar on a terminal, now and then a line elsewhere, nothing with --quiet."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from deployments.command_line.text import progress_text
from deployments.command_line.text.progress_text import Pace

# A cron mail with a line a second is one that nobody reads.
SECONDS_BETWEEN_LINES = 10.0


class Display(Protocol):
    def job(self, job: Mapping[str, Any]) -> None: ...
    def received(self, count: int, total: int) -> None: ...
    def say(self, text: str) -> None: ...


class Quiet:
    def job(self, job: Mapping[str, Any]) -> None: ...
    def received(self, count: int, total: int) -> None: ...
    def say(self, text: str) -> None: ...


class Lines:
    def __init__(
        self, say: Callable[[str], None] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.say, self._clock, self._pace = say or to_stderr, clock, Pace(clock)
        self._phase, self._said_at = "", 0.0

    def job(self, job: Mapping[str, Any]) -> None:
        rate = self._pace.rows_a_second(int(job["rows"]["written"]))
        if job["status"] in ("queued", "running", "finalizing"):
            self._line(progress_text.phase(job), progress_text.facts(job, rate), str(job["id"]))

    def received(self, count: int, total: int) -> None:
        self._line("Downloading", progress_text.received(count, total))

    def _line(self, phase: str, facts: str, job_id: str = "") -> None:
        """At once for another phase, otherwise when the last one is old."""
        now = self._clock()
        if phase == self._phase and now - self._said_at < SECONDS_BETWEEN_LINES:
            return
        about = f"Export {job_id}: " if not self._phase and job_id else ""
        self._phase, self._said_at = phase, now
        self.say(f"{about}{phase}{': ' if facts else ''}{facts}")


class Bar:
    def __init__(self, progress: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress, self._pace = progress, Pace(clock)
        self._task = progress.add_task("Starting", total=None, facts="")

    def job(self, job: Mapping[str, Any]) -> None:
        rows = job["rows"]
        facts = progress_text.facts(job, self._pace.rows_a_second(int(rows["written"])))
        self._show(progress_text.phase(job), rows["written"], rows["expected"], facts)

    def received(self, count: int, total: int) -> None:
        self._show("Downloading", count, total, progress_text.received(count, total))

    def say(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _show(self, phase: str, done: int, total: int | None, facts: str) -> None:
        self._progress.update(self._task, description=phase, completed=done, total=total, facts=facts)


@contextmanager
def shown(quiet: bool) -> Iterator[Display]:
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield Quiet() if quiet else Lines()
        return
    texts = [TextColumn("{task.description}", markup=False), TextColumn("{task.fields[facts]}", markup=False)]
    bar = BarColumn(bar_width=30)
    # stdout may be where the file goes; it is left as it is.
    with Progress(
        *(SpinnerColumn(), texts[0], bar, texts[1]),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        yield Bar(progress)


def to_stderr(text: str) -> None:
    with suppress(OSError):  # nobody may be reading any more
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
