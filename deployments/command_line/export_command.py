"""`report-exports export`: start, follow, download, verify."""

import argparse
import secrets
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from deployments.command_line import interrupts, progress_text, target
from deployments.command_line.cancelling import cancel_interrupted
from deployments.command_line.display import Display, shown, to_stderr
from deployments.command_line.download import download
from deployments.command_line.endings import DONE, Failed, Interrupted, Refused, Unreachable
from deployments.command_line.following import Job, job_of, read, until_ended
from deployments.command_line.interrupts import Interrupts
from deployments.command_line.patience import told_pause
from deployments.command_line.request_body import in_options, request_body
from deployments.command_line.scope_options import Pair, shown_options
from deployments.command_line.service import Problem, Service, connected, json_of
from deployments.command_line.service_options import api_key


def run(given: argparse.Namespace, options: Sequence[Pair], known: Collection[str]) -> int:
    """`options` are those that only the report knows; `known` are all others."""
    if not given.detach:
        target.check(given.output, given.force)
    with (
        interrupts.caught() as signals,
        shown(given.quiet) as display,
        connected(given.api, api_key(), given.timeout, display.say) as service,
    ):
        report = described(service, given.report)
        body = request_body(given, options, report, known)
        names = shown_options(report, known)
        job, pause = _started(service, body, given.idempotency_key, names, signals)
        if given.detach:
            sys.stdout.write(f"{job['id']}\n")
            return DONE
        last_words = _to_its_end(service, job, pause, given, signals, display)
    if not given.quiet:
        to_stderr(last_words)
    return DONE


def described(service: Service, name: str) -> Mapping[str, Any]:
    try:
        return json_of(service.ask("GET", f"/report-types/{quote(name, safe='')}"), "parameters", "filters")
    except Problem as problem:
        if problem.status != httpx.codes.NOT_FOUND:
            raise
    there_are = json_of(service.ask("GET", "/report-types"), "items")["items"]
    names = ", ".join(sorted(str(each["name"]) for each in there_are))
    raise Refused(f"REPORT: there is no report {name!r}; there are {names}.")


def _started(
    service: Service, body: Mapping[str, Any], key: str | None, names: Mapping[str, str], signals: Interrupts
) -> tuple[Job, float]:
    """The job, and after how many seconds to ask about it."""

    def once(send: Any) -> httpx.Response:
        answer: httpx.Response = signals.hold(send)  # a job whose id is not known could not be cancelled
        if not answer.is_success:
            signals.let_through()
        return answer

    # With a key of its own, a start whose answer was lost can be sent again; and Ctrl-C here can never cancel
    # what somebody else is waiting for.
    headers = {"Idempotency-Key": key if key is not None else secrets.token_hex(16)}
    try:
        answer = service.ask("POST", "/exports", headers, once=once, json=body)
    except Problem as problem:
        sentences = in_options(problem.errors, names)
        raise Refused("\n".join(sentences) or problem.detail) from None
    job = job_of(answer)
    if answer.status_code == httpx.codes.OK:  # an earlier job's: how far it is only its own state says
        return read(service, str(job["id"])), 0.0
    return job, told_pause(answer.headers.get("retry-after")) or 0.0


def _to_its_end(
    service: Service,
    job: Job,
    pause: float,
    given: argparse.Namespace,
    signals: Interrupts,
    display: Display,
) -> str:
    try:
        signals.let_through()
        job = until_ended(service, job, display.job, pause)
        if job["status"] != "done":
            raise Failed(progress_text.failure(job))
        with target.opened(given.output, given.force, str(job["file"]["name"])) as place:
            _filled(place, service, job, display)
            return progress_text.summary(job, place.shown)
    except Interrupted:
        cancel_interrupted(service, job, display.say)
        raise
    except Unreachable as unreachable:
        raise Unreachable(f"{unreachable} The export itself is unharmed. Quote {job['id']}.") from None
    except Problem as problem:  # deleted, or expired, in between
        raise Failed(f"{problem.detail} Quote {job['id']}.") from None


def _filled(place: target.Target, service: Service, job: Job, display: Display) -> None:
    try:
        download(service, job, place, display.received)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failed(f"{place.shown}: {error.strerror}. Quote {job['id']}.") from None
