"""A finished export's file, from a signed link to a target, verified on the way."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx

from deployments.command_line.api_client import Service, may_pass
from deployments.command_line.backoff import Patience
from deployments.command_line.exit_codes import Ending, Failed, Unverified
from deployments.command_line.output_file import Target

# Of links that were signed a moment before.
MOST_REFUSALS = 3


@dataclass
class Received:
    """What has reached the target so far."""

    target: Target
    job_id: str
    expected_bytes: int
    expected_sha256: str
    count: int = 0
    sha256: Any = field(default_factory=hashlib.sha256)

    @property
    def complete(self) -> bool:
        return self.count >= self.expected_bytes

    def take(self, data: bytes) -> None:
        if self.count + len(data) > self.expected_bytes:
            raise self.unverified("it is longer than its receipt says")
        self.target.write(data)
        self.sha256.update(data)
        self.count += len(data)

    def verify(self) -> None:
        if self.sha256.hexdigest() != self.expected_sha256:
            raise self.unverified("its SHA-256 is not that of its receipt")

    def unverified(self, why: str) -> Unverified:
        return Unverified(f"The file does not verify: {why}. Quote {self.job_id}.")


def download(
    service: Service, job: Mapping[str, Any], target: Target, show: Callable[[int, int], None]
) -> None:
    """An interrupted download goes on where it stopped; Unverified when what comes is another file."""
    file = job["file"]
    received = Received(target, job["id"], int(file["bytes"]), str(file["sha256"]))
    patience, refusals = Patience(service.timeout_seconds, service.clock), 0
    while True:
        before = received.count
        answer = _receive(service, received, show)
        if received.complete:
            break
        if received.count > before:
            patience.renew()
        elif answer is not None and not may_pass(answer):
            refusals += 1
        if answer is not None and refusals == MOST_REFUSALS:
            raise _given_up(answer, received)
        service.pause(patience, answer, "The download was interrupted.")
    received.verify()
    target.commit()


def _given_up(answer: httpx.Response, received: Received) -> Ending:
    if answer.is_success or answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return received.unverified(f"it ends after {received.count:,} of {received.expected_bytes:,} bytes")
    return Failed(f"The file storage refuses the file ({answer.status_code}). Quote {received.job_id}.")


def _receive(service: Service, received: Received, show: Callable[[int, int], None]) -> httpx.Response | None:
    """The answer, None when the connection broke. Each try asks for a link of its own: links expire."""
    path = f"/exports/{received.job_id}/download"
    link = service.ask("GET", path).headers["location"]
    # The bytes are counted as they are stored: no encoding on the way.
    headers = {"Accept-Encoding": "identity"}
    if received.count:
        headers["Range"] = f"bytes={received.count}-"
    try:
        with service.http.stream("GET", link, headers=headers, timeout=service.limits()) as answer:
            if answer.is_success:
                _take_all(answer, received, show)
            return answer
    except (httpx.HTTPError, httpx.StreamError):
        return None


def _take_all(answer: httpx.Response, received: Received, show: Callable[[int, int], None]) -> None:
    known = received.count if answer.status_code != HTTPStatus.PARTIAL_CONTENT else 0
    for data in answer.iter_raw():  # as it comes: what waits for a chunk to fill is lost when the line breaks
        new, known = data[known:], max(0, known - len(data))  # the whole file again: what is there is skipped
        if new:
            received.take(new)
            show(received.count, received.expected_bytes)
