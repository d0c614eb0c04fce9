"""Start the processes of a cluster, and end them together with their children."""

import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.hosts.network import Host
from deployments.stack import orphan_processes
from tests.support.running_stack import clean_environment

READY_TIMEOUT_SECONDS = 180


class Processes:
    """Starts processes on hosts. `programs` is the `bin` folder of the virtual environment that they use."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder, self._mark = folder, f"hosts-{secrets.token_hex(8)}"
        self.programs = programs
        self._logs: dict[int, Path] = {}
        self._processes: list[subprocess.Popen[bytes]] = []

    def run(self, *command: str, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
        log = self._folder / f"{len(self._processes)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - fixed programs
                command,
                cwd=self._folder,  # contains no prefect.yaml, which `register` would apply
                env=self._environment(settings),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._logs[process.pid] = log
        self._processes.append(process)
        return process

    def start_on(
        self, host: Host, program: str, *arguments: str, settings: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start a program of the virtual environment on a host."""
        process = self.run(*host.command(str(self.programs / program), *arguments), settings=settings)
        host.cpu.add(process.pid)
        return process

    def complete_on(self, host: Host, program: str, *arguments: str, settings: Mapping[str, str]) -> None:
        process = self.start_on(host, program, *arguments, settings=settings)
        if process.wait(READY_TIMEOUT_SECONDS):
            raise RuntimeError(self.output(process))

    def output(self, process: subprocess.Popen[bytes]) -> str:
        return self._logs[process.pid].read_text(errors="replace")

    def wait_for_output(self, process: subprocess.Popen[bytes], text: str) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while text not in self.output(process):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(self.output(process))
            time.sleep(0.1)

    def end(self) -> None:
        for process in self._processes:
            process.kill()
        orphan_processes.end_all(self._mark, timeout_seconds=5)
        for process in self._processes:
            process.wait()

    def _environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        common = {"NO_PROXY": "*", "PYTHONPATH": str(self._folder), "PYTHONUNBUFFERED": "1"}
        return {**clean_environment(), **common, orphan_processes.MARK: self._mark, **settings}


@contextmanager
def processes_in(folder: Path, programs: Path) -> Iterator[Processes]:
    processes = Processes(folder, programs)
    try:
        yield processes
    finally:
        processes.end()
