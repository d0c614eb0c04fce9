"""`report-exports` as a person or cron runs it: a process of its own."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.export_client import SURVEY
from tests.support.running_stack import clean_environment

ENDED_WITHIN_SECONDS = 90
PROGRAM = str(Path(sys.executable).with_name("report-exports"))
ARTICLES_OPTIONS = (
    *("survey-responses", "--survey", SURVEY, "--from", "2024-7-19", "--to", "2024-7-26"),
    *("--filter", "isAttended=true", "--filter", "utm=wa"),
)


@dataclass(frozen=True)
class Ran:
    code: int
    out: bytes
    said: str


def begin(api_url: str, folder: Path, *arguments: str, **settings: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own command
        [PROGRAM, *arguments],
        cwd=folder,
        env={**clean_environment(), "REPORTS_API_URL": api_url, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=_heed_signals,
    )


def _heed_signals() -> None:
    """A test run in the background ignores them, and would hand that down."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def ended(process: subprocess.Popen[bytes]) -> Ran:
    try:
        out, said = process.communicate(timeout=ENDED_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        out, said = process.communicate()
        raise AssertionError(said.decode()) from None
    return Ran(process.returncode, out, said.decode())


def run(api_url: str, folder: Path, *arguments: str, **settings: str) -> Ran:
    ran = ended(begin(api_url, folder, *arguments, **settings))
    assert "Traceback" not in ran.said, ran.said
    assert "Signature" not in ran.said + ran.out.decode(errors="replace")
    return ran


def until_said(process: subprocess.Popen[bytes], words: str) -> str:
    """Line by line, as it comes; what has been said so far."""
    assert process.stderr is not None
    said, until = "", time.monotonic() + ENDED_WITHIN_SECONDS
    while words not in said:
        line = process.stderr.readline()
        assert line, said
        assert time.monotonic() < until, said
        said += line.decode()
    return said


def files(folder: Path) -> Sequence[str]:
    """Hidden ones too."""
    return sorted(each.name for each in folder.iterdir())
