"""Follow a document step by step. Run its commands in a shell, and save its files."""

import re
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

BLOCK_SECONDS = 120
READY_SECONDS = 180
UP = "report-exports up"
NEW = "report-exports new"
API = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Block:
    section: str
    text: str
    file: str | None  # the file in which readers are told to save `text`


def read_blocks(document: Path) -> Iterator[Block]:
    """Yield the code blocks. A sentence such as "Save this as `file`:" names the file of the next block."""
    section, paragraph = "", ""
    lines = iter(document.read_text(encoding="utf-8").splitlines())
    for line in lines:
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.startswith("```"):
            text = "".join(f"{code}\n" for code in iter(lines.__next__, "```"))
            saved = re.search(r"[Ss]ave (?:it|this) as `([^`]+)`:$", paragraph)
            yield Block(section, text, saved[1] if saved else None)
            paragraph = ""
        elif line:
            paragraph = f"{paragraph} {line}".strip()
        else:
            paragraph = paragraph if paragraph.endswith(":") else ""


@dataclass
class Terminals:
    """A reader's two terminals. `up` runs in one of them, and all other commands run in the other.

    `replacements` are applied to each command and file, for example to use a different database port.
    `seconds` contains the time spent on each section.
    """

    folder: Path
    environment: dict[str, str]
    replacements: dict[str, str]
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _up: subprocess.Popen[bytes] | None = None
    _up_output: Path = Path("/dev/null")

    def run(self, block: Block) -> None:
        started = time.monotonic()
        is_report = (block.file or "").startswith("reports/") or NEW in block.text
        restarts = self._count_restarts()
        if block.file is not None:
            (self.folder / block.file).write_text(self._replaced(block.text), encoding="utf-8")
        elif block.text.startswith(UP):
            self.stop()
            self._start_up(block.text.strip())
        else:
            self._run_commands(block.text)
        if is_report and self._up is not None:
            self._wait_until(lambda: self._count_restarts() > restarts)
            assert "ended with" not in self.output, self.output
        self.seconds[block.section] += time.monotonic() - started

    @property
    def output(self) -> str:
        """Everything that `up` has printed since its last start."""
        return self._up_output.read_text(errors="replace")

    def stop(self) -> None:
        if self._up is not None:
            self._up.terminate()
            self._up.wait(20)
            self._up = None

    def _replaced(self, text: str) -> str:
        for old, new in self.replacements.items():
            text = text.replace(old, new)
        return text

    def _run_commands(self, text: str) -> None:
        """Run the commands. The current folder and the exported variables carry over to the next block."""
        state = self.folder / ".terminal"
        script = f"set -e\n{self._replaced(text)}\npwd > {state}\nenv -0 >> {state}\n"
        finished = subprocess.run(  # noqa: S603 - commands of our own document
            ["/bin/bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=BLOCK_SECONDS,
        )
        output = finished.stdout + finished.stderr
        assert finished.returncode == 0, f"{text}\n{output}\n{self.output}"
        folder, _, variables = state.read_text().partition("\n")
        self.folder = Path(folder)
        self.environment = dict(item.split("=", 1) for item in variables.split("\0") if item)

    def _start_up(self, command: str) -> None:
        self._up_output = self.folder / "up.txt"
        with self._up_output.open("wb") as file:
            self._up = subprocess.Popen(  # noqa: S603 - a command of our own document
                [
                    *("/bin/bash", "-c"),
                    f"exec {command} --port 0 --prefect-port 0",
                ],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self._wait_until(lambda: "Ready." in self.output)
        url = re.search(r"Page +(http://[^/]+)/", self.output)
        assert url
        self.replacements[API] = self.environment["REPORTS_API_URL"] = url[1]

    def _count_restarts(self) -> int:
        """Count the restarts of the API and of the worker, and return the smaller number."""
        return min(self.output.count(f"{part} restarted") for part in ("API", "Worker"))

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not condition():
            assert self._up is None or self._up.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.1)
