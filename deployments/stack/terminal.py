"""Print the output of `report-exports up`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.text import Text


class Terminal:
    """Prints a line for each part that is ready and, on a terminal, shows which parts are starting."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True, markup=False)
        self._starting: list[str] = []
        self._status = self._console.status("", spinner="dots")

    def say(self, text: str = "", style: str = "") -> None:
        # rich exits the program if the output is closed, but the stack still has to stop its processes.
        with suppress(OSError, SystemExit):
            self._console.print(Text(text, style=style))

    def warn(self, text: str) -> None:
        self.say(text, "yellow")

    def fail(self, text: str) -> None:
        self.say(text, "red")

    @contextmanager
    def part(self, title: str) -> Iterator[None]:
        """Show that a part is starting. If the `with` block succeeds, print how long it took."""
        started_at = time.monotonic()
        self._starting.append(title)
        self._update_status()
        try:
            yield
        finally:
            self._starting.remove(title)
            self._update_status()
        self.say(f"  {title:<30}{time.monotonic() - started_at:5.1f} s")

    def _update_status(self) -> None:
        if not self._console.is_terminal:
            return
        self._status.update(f"Starting {', '.join(self._starting)} ...")
        if self._starting:
            self._status.start()
        else:
            self._status.stop()
