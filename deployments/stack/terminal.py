import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.text import Text


class Terminal:
    """What the user sees: a line for each part when it is ready, on a terminal also what is under way."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True, markup=False)
        self._under_way: list[str] = []
        self._status = self._console.status("", spinner="dots")

    def say(self, text: str = "", style: str = "") -> None:
        # Nobody may be reading any more, which is no reason to stop half way (rich would exit).
        with suppress(OSError, SystemExit):
            self._console.print(Text(text, style=style))

    def warn(self, text: str) -> None:
        self.say(text, "yellow")

    def fail(self, text: str) -> None:
        self.say(text, "red")

    @contextmanager
    def part(self, title: str) -> Iterator[None]:
        started = time.monotonic()
        self._show(begun=title)
        try:
            yield
        except BaseException:
            self._show(ended=title)
            raise
        self._show(ended=title)
        self.say(f"  {title:<30}{time.monotonic() - started:5.1f} s")

    def _show(self, begun: str | None = None, ended: str | None = None) -> None:
        if begun:
            self._under_way.append(begun)
        if ended in self._under_way:
            self._under_way.remove(ended)
        if not self._console.is_terminal:
            return
        self._status.update(f"Starting {', '.join(self._under_way)} ...")
        if self._under_way:
            self._status.start()
        else:
            self._status.stop()
