"""Run `report-exports` in a child process."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.export_client import SURVEY
from tests.support.running_stack import clean_environment

TIMEOUT_SECONDS = 90
PROGRAM = str(Path(sys.executable).with_name("report-exports"))
ARTICLES_OPTIONS = (
    *("survey-responses", "--survey", SURVEY, "--from", "2024-7-19", "--to", "2024-7-26"),
    *("--filter", "isAttended=true", "--filter", "utm=wa"),
)


@dataclass(frozen=True)
class Result:
    code: int
    stdout: bytes
    stderr: str


def launch(api_url: str, folder: Path, *arguments: str, **settings: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - a fixed program
        [PROGRAM, *arguments],
        cwd=folder,
        env={**clean_environment(), "REPORTS_API_URL": api_url, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=_reset_signals,
    )


def _reset_signals() -> None:
    """Restore the default signal handlers, because the child inherits ignored signals if the tests run in the
    background.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def wait_for_exit(process: subprocess.Popen[bytes]) -> Result:
    try:
        stdout, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        raise AssertionError(stderr.decode()) from None
    return Result(process.returncode, stdout, stderr.decode())


def run(api_url: str, folder: Path, *arguments: str, **settings: str) -> Result:
    result = wait_for_exit(launch(api_url, folder, *arguments, **settings))
    assert "Traceback" not in result.stderr, result.stderr
    assert "Signature" not in result.stderr + result.stdout.decode(errors="replace")
    return result


def wait_for_stderr(process: subprocess.Popen[bytes], text: str) -> str:
    """Read lines from stderr until they contain the text, and return them."""
    assert process.stderr is not None
    stderr, deadline = "", time.monotonic() + TIMEOUT_SECONDS
    while text not in stderr:
        line = process.stderr.readline()
        assert line, stderr
        assert time.monotonic() < deadline, stderr
        stderr += line.decode()
    return stderr


def list_files(folder: Path) -> Sequence[str]:
    """Return the names of all files in the folder, including hidden ones."""
    return sorted(path.name for path in folder.iterdir())
