"""Show progress on stderr, as a bar on a terminal and as occasional lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from deployments.command_line.text import progress_text
from deployments.command_line.text.progress_text import RowRate

# More frequent lines would clutter cron emails and CI logs.
SECONDS_BETWEEN_LINES = 10.0
MIN_WIDTH_FOR_WORDS = 80


class Display(Protocol):
    def show_job(self, job: Mapping[str, Any]) -> None: ...
    def show_download(self, byte_count: int, total: int) -> None: ...
    def print(self, text: str) -> None: ...


class QuietDisplay:
    def show_job(self, job: Mapping[str, Any]) -> None: ...
    def show_download(self, byte_count: int, total: int) -> None: ...
    def print(self, text: str) -> None: ...


class LineDisplay:
    def __init__(
        self, write: Callable[[str], None] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.print, self._clock, self._rate = write or print_to_stderr, clock, RowRate(clock)
        self._phase, self._printed_at = "", 0.0

    def show_job(self, job: Mapping[str, Any]) -> None:
        rate = self._rate.update(int(job["rows"]["written"]))
        if job["status"] in ("queued", "running", "finalizing"):
            progress = progress_text.format_progress(job, rate)
            self._print_progress(progress_text.format_phase(job), progress, str(job["id"]))

    def show_download(self, byte_count: int, total: int) -> None:
        self._print_progress("Downloading", progress_text.format_download(byte_count, total))

    def _print_progress(self, phase: str, progress: str, job_id: str = "") -> None:
        """Print a line if the phase has changed or the last line is older than SECONDS_BETWEEN_LINES."""
        now = self._clock()
        if phase == self._phase and now - self._printed_at < SECONDS_BETWEEN_LINES:
            return
        prefix = f"Export {job_id}: " if not self._phase and job_id else ""
        self._phase, self._printed_at = phase, now
        self.print(f"{prefix}{phase}{': ' if progress else ''}{progress}")


class ProgressText(ProgressColumn):
    """The progress in words, or only a percentage if the terminal is narrow.

    The line is short, because a terminal that becomes narrower wraps a longer line and leaves a part behind.
    """

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def render(self, task: Task) -> Text:
        if self._console.width >= MIN_WIDTH_FOR_WORDS:
            return Text(task.fields["progress"])
        return Text("" if task.total is None else f"{task.percentage:.0f}%")


class BarDisplay:
    def __init__(self, bar: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self._bar, self._rate = bar, RowRate(clock)
        self._task = bar.add_task("Starting", total=None, progress="")

    def show_job(self, job: Mapping[str, Any]) -> None:
        rows = job["rows"]
        progress = progress_text.format_progress(job, self._rate.update(int(rows["written"])))
        self._update(progress_text.format_phase(job), rows["written"], rows["expected"], progress)

    def show_download(self, byte_count: int, total: int) -> None:
        progress = progress_text.format_download(byte_count, total)
        self._update("Downloading", byte_count, total, progress)

    def print(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _update(self, phase: str, done: int, total: int | None, progress: str) -> None:
        self._bar.update(self._task, description=phase, completed=done, total=total, progress=progress)


@contextmanager
def open_display(quiet: bool) -> Iterator[Display]:
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield QuietDisplay() if quiet else LineDisplay()
        return
    with create_bar(console) as bar:
        yield BarDisplay(bar)


def create_bar(console: Console) -> Progress:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=12, complete_style="cyan", finished_style="green", pulse_style="cyan"),
        ProgressText(console),
    )
    # stdout may be the output file, so rich must not redirect it.
    return Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)


def print_to_stderr(text: str) -> None:
    with suppress(OSError):  # the other end of the pipe may be closed
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
