"""Cancels an export, and says what became of it."""

from collections.abc import Callable

import httpx

from deployments.command_line.api_client import Problem, Service
from deployments.command_line.backoff import Patience
from deployments.command_line.exit_codes import Ending
from deployments.command_line.polling import FINAL, Job, job_of, path_of, read, until_ended
from deployments.command_line.text.display import to_stderr

# Somebody who presses Ctrl-C does not want to wait for a service that is away.
HURRIED_SECONDS = 5.0


def cancel(service: Service, job_id: str, show: Callable[[Job], None]) -> Job:
    """Its state when it has ended, by this or otherwise."""
    path = f"{path_of(job_id)}/cancel"
    try:
        job = job_of(service.ask("POST", path))
    except Problem as problem:
        if problem.status != httpx.codes.CONFLICT:
            raise
        job = read(service, job_id)
    return until_ended(service, job, show)


def cancel_interrupted(service: Service, job: Job, say: Callable[[str], None]) -> None:
    """Does not wait until the work has stopped; never stands in the way of the command's end."""
    if job["status"] in FINAL:
        return
    patience = Patience(HURRIED_SECONDS, service.clock, hurried=True)
    try:
        service.ask("POST", f"{path_of(job['id'])}/cancel", patience=patience)
    except Problem as problem:
        to_stderr(f"Export {job['id']} was not cancelled: {problem.detail}")
    except Ending:
        to_stderr(f"Export {job['id']} could not be cancelled: the service does not answer.")
    else:
        say(f"Export {job['id']} is cancelled.")
