"""An export from its start to its file here."""

import secrets
from dataclasses import dataclass
from typing import Any

import httpx

from deployments.command_line import output_file
from deployments.command_line.api_client import Problem, Service
from deployments.command_line.backoff import told_pause
from deployments.command_line.cancel_export import cancel_interrupted
from deployments.command_line.download import download
from deployments.command_line.exit_codes import Failed, Interrupted, Unreachable
from deployments.command_line.interrupts import Interrupts
from deployments.command_line.polling import Job, job_of, read, until_ended
from deployments.command_line.text import progress_text
from deployments.command_line.text.display import Display


@dataclass(frozen=True)
class Place:
    """`output` None is the service's name for the file, in this folder."""

    output: str | None
    force: bool


def started(
    service: Service, path: str, key: str | None, signals: Interrupts, **content: Any
) -> tuple[Job, float]:
    """The job, and after how many seconds to ask about it; Problem when the service refuses."""

    def once(send: Any) -> httpx.Response:
        answer: httpx.Response = signals.hold(send)  # a job whose id is not known could not be cancelled
        if not answer.is_success:
            signals.let_through()
        return answer

    # With a key of its own, a start whose answer was lost can be sent again; and Ctrl-C here can never cancel
    # what somebody else is waiting for.
    headers = {"Idempotency-Key": key if key is not None else secrets.token_hex(16)}
    answer = service.ask("POST", path, headers, once=once, **content)
    job = job_of(answer)
    if answer.status_code == httpx.codes.OK:  # an earlier job's: how far it is only its own state says
        return read(service, str(job["id"])), 0.0
    return job, told_pause(answer.headers.get("retry-after")) or 0.0


def fetched(
    service: Service, job: Job, pause: float, place: Place, signals: Interrupts, display: Display
) -> str:
    """What to say when all went well; a signal cancels the export."""
    try:
        signals.let_through()
        job = until_ended(service, job, display.job, pause)
        if progress_text.no_rows(job):
            return progress_text.failure(job)
        if job["status"] != "done":
            raise Failed(progress_text.failure(job))
        with output_file.opened(place.output, place.force, str(job["file"]["name"])) as opened:
            _filled(opened, service, job, display)
            return progress_text.summary(job, opened.shown)
    except Interrupted:
        cancel_interrupted(service, job, display.say)
        raise
    except Unreachable as unreachable:
        raise Unreachable(f"{unreachable} The export itself is unharmed. Quote {job['id']}.") from None
    except Problem as problem:  # deleted, or expired, in between
        raise Failed(f"{problem.detail} Quote {job['id']}.") from None


def _filled(place: output_file.Target, service: Service, job: Job, display: Display) -> None:
    try:
        download(service, job, place, display.received)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failed(f"{place.shown}: {error.strerror}. Quote {job['id']}.") from None
