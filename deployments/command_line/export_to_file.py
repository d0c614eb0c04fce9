"""Start an export, wait for it and download its file."""

import secrets
from dataclasses import dataclass
from typing import Any

import httpx

from deployments.command_line import output_file
from deployments.command_line.api_client import ApiClient, Problem
from deployments.command_line.backoff import parse_retry_after
from deployments.command_line.cancel_export import cancel_after_signal
from deployments.command_line.download import download
from deployments.command_line.exit_codes import Interrupted, OperationFailed, ServiceUnreachable
from deployments.command_line.interrupts import SignalHandler
from deployments.command_line.polling import Job, fetch_job, parse_job, wait_until_ended
from deployments.command_line.text import progress_text
from deployments.command_line.text.display import Display


@dataclass(frozen=True)
class Destination:
    """The destination of a download.

    `path` is a file, a folder, `-` for stdout, or None for the current folder.
    """

    path: str | None
    force: bool


def start_export(
    client: ApiClient, path: str, key: str | None, signals: SignalHandler, **content: Any
) -> tuple[Job, float]:
    """Start an export. Return its job and the number of seconds to wait before the first poll.

    Raises Problem if the service rejects the request.
    """

    def send_uninterrupted(send: Any) -> httpx.Response:
        # Defer signals until the response arrives, because it contains the job id needed for cancelling.
        response: httpx.Response = signals.defer_during(send)
        if not response.is_success:
            signals.raise_deferred()
        return response

    # A random key makes it safe to resend the request if no response arrives. It also ensures that an
    # identical export from another client is a separate job, which Ctrl-C does not cancel.
    headers = {"Idempotency-Key": key if key is not None else secrets.token_hex(16)}
    response = client.request("POST", path, headers, wrap_attempt=send_uninterrupted, **content)
    job = parse_job(response)
    if response.status_code == httpx.codes.OK:  # a job with this key already exists, so fetch its state
        return fetch_job(client, str(job["id"])), 0.0
    return job, parse_retry_after(response.headers.get("retry-after")) or 0.0


def follow_and_download(
    client: ApiClient,
    job: Job,
    pause: float,
    destination: Destination,
    signals: SignalHandler,
    display: Display,
) -> str:
    """Wait for the export, download its file and return a summary. A signal cancels the export."""
    try:
        signals.raise_deferred()
        job = wait_until_ended(client, job, display.show_job, pause)
        if progress_text.has_no_rows(job):
            return progress_text.format_failure(job)
        if job["status"] != "done":
            raise OperationFailed(progress_text.format_failure(job))
        return download_to(client, job, destination, display)
    except Interrupted:
        cancel_after_signal(client, job, display.print)
        raise
    except ServiceUnreachable as error:
        raise ServiceUnreachable(f"{error} The export is not affected. Its id is {job['id']}.") from None
    except Problem as problem:  # the export was deleted or expired during the download
        raise OperationFailed(f"{problem.detail} Export id: {job['id']}.") from None


def download_to(client: ApiClient, job: Job, destination: Destination, display: Display) -> str:
    """Download and verify the file of a finished export, and return a summary."""
    with output_file.open_output(destination.path, destination.force, str(job["file"]["name"])) as output:
        _download(client, job, output, display)
        return progress_text.format_summary(job, output.label)


def _download(client: ApiClient, job: Job, output: output_file.Output, display: Display) -> None:
    try:
        download(client, job, output, display.show_download)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OperationFailed(
            f"{output.label}: {error.strerror}. The export has finished; its id is {job['id']}."
        ) from None
