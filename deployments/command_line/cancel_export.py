"""Cancel an export, on request or after a signal."""

from collections.abc import Callable

import httpx

from deployments.command_line.api_client import ApiClient, Problem
from deployments.command_line.backoff import Backoff
from deployments.command_line.exit_codes import CommandError
from deployments.command_line.polling import FINAL, Job, fetch_job, job_path, parse_job, wait_until_ended
from deployments.command_line.text.display import print_to_stderr

# The user has pressed Ctrl-C, so do not retry for long.
INTERRUPTED_TIMEOUT_SECONDS = 5.0


def cancel(client: ApiClient, job_id: str, show: Callable[[Job], None]) -> Job:
    """Cancel an export and return its final state. The export may have ended before the cancellation."""
    path = f"{job_path(job_id)}/cancel"
    try:
        job = parse_job(client.request("POST", path))
    except Problem as problem:
        if problem.status != httpx.codes.CONFLICT:
            raise
        job = fetch_job(client, job_id)
    return wait_until_ended(client, job, show)


def cancel_after_signal(client: ApiClient, job: Job, report: Callable[[str], None]) -> None:
    """Request cancellation of the export, but do not wait for it. Failures are printed, not raised."""
    if job["status"] in FINAL:
        return
    backoff = Backoff(INTERRUPTED_TIMEOUT_SECONDS, client.clock, limit_rate_waits=True)
    try:
        client.request("POST", f"{job_path(job['id'])}/cancel", backoff=backoff)
    except Problem as problem:
        print_to_stderr(f"Export {job['id']} was not cancelled: {problem.detail}")
    except CommandError:
        print_to_stderr(f"Export {job['id']} could not be cancelled: the service is not responding.")
    else:
        report(f"Export {job['id']} was cancelled.")
