"""Download an export's file from a signed link, resume after interruptions, and verify the file."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx

from deployments.command_line.api_client import ApiClient, is_retryable
from deployments.command_line.backoff import Backoff
from deployments.command_line.exit_codes import CommandError, OperationFailed, VerificationFailed
from deployments.command_line.output_file import Output

# If this many freshly signed links are rejected, assume that the storage is misconfigured.
MAX_REJECTIONS = 3


@dataclass
class PartialDownload:
    """A download in progress. Its size and SHA-256 are compared with those in the job's receipt."""

    output: Output
    job_id: str
    expected_bytes: int
    expected_sha256: str
    count: int = 0
    sha256: Any = field(default_factory=hashlib.sha256)

    @property
    def complete(self) -> bool:
        return self.count >= self.expected_bytes

    def append(self, data: bytes) -> None:
        if self.count + len(data) > self.expected_bytes:
            raise self.verification_error("it is longer than its receipt says")
        self.output.write(data)
        self.sha256.update(data)
        self.count += len(data)

    def verify(self) -> None:
        if self.sha256.hexdigest() != self.expected_sha256:
            raise self.verification_error("its SHA-256 differs from its receipt")

    def verification_error(self, reason: str) -> VerificationFailed:
        return VerificationFailed(f"The file failed verification: {reason}. Export id: {self.job_id}.")


def download(
    client: ApiClient, job: Mapping[str, Any], output: Output, show: Callable[[int, int], None]
) -> None:
    """Download and verify the file, then commit `output`. Interrupted transfers resume where they stopped.

    Raises VerificationFailed if the size or SHA-256 differs from the job's receipt.
    """
    file = job["file"]
    partial = PartialDownload(output, job["id"], int(file["bytes"]), str(file["sha256"]))
    backoff, rejections = Backoff(client.timeout_seconds, client.clock), 0
    while True:
        count_before = partial.count
        response = _receive(client, partial, show)
        if partial.complete:
            break
        if partial.count > count_before:
            backoff.reset()
        elif response is not None and not is_retryable(response):
            rejections += 1
        if response is not None and rejections == MAX_REJECTIONS:
            raise _final_error(response, partial)
        client.pause(backoff, response, "The download was interrupted.")
    partial.verify()
    output.commit()


def _final_error(response: httpx.Response, partial: PartialDownload) -> CommandError:
    if response.is_success or response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        counts = f"{partial.count:,} of {partial.expected_bytes:,} bytes"
        return partial.verification_error(f"it ends after {counts}")
    return OperationFailed(
        f"The file storage rejected the download ({response.status_code}). Export id: {partial.job_id}."
    )


def _receive(
    client: ApiClient, partial: PartialDownload, show: Callable[[int, int], None]
) -> httpx.Response | None:
    """Request a new link and start or resume the download from it.

    Returns the response, or None if the connection broke. Each attempt needs a new link, because links
    expire.
    """
    path = f"/exports/{partial.job_id}/download"
    link = client.request("GET", path).headers["location"]
    # Ranges refer to stored bytes, so the response must not be compressed.
    headers = {"Accept-Encoding": "identity"}
    if partial.count:
        headers["Range"] = f"bytes={partial.count}-"
    try:
        with client.http.stream("GET", link, headers=headers, timeout=client.request_timeout()) as response:
            if response.is_success:
                _append_all(response, partial, show)
            return response
    except (httpx.HTTPError, httpx.StreamError):
        return None


def _append_all(response: httpx.Response, partial: PartialDownload, show: Callable[[int, int], None]) -> None:
    # Storage without range support sends the whole file again, so skip the bytes that were already written.
    to_skip = partial.count if response.status_code != HTTPStatus.PARTIAL_CONTENT else 0
    for data in response.iter_raw():  # unbuffered, so no received bytes are lost if the connection breaks
        new, to_skip = data[to_skip:], max(0, to_skip - len(data))
        if new:
            partial.append(new)
            show(partial.count, partial.expected_bytes)
