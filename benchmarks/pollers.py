"""Generate the load for benchmarks/polling.py in a separate process.

`python -m benchmarks.pollers` reads parameters as JSON from stdin and writes results as JSON to stdout. It
writes HTTP/1.1 requests directly to sockets and waits for all of them with one epoll, because a client
library, and even asyncio, would use as much CPU time as the API.
"""

import heapq
import json
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

INTERVAL_SECONDS = 1.0
RESPONSE_TIMEOUT_SECONDS = 10.0
MAX_EVENTS = 1_000
RECEIVED_BYTES = 65_536


@dataclass
class Client:
    """A client that polls once a second on one connection."""

    connection: socket.socket
    request: bytes
    sent_at: float = 0.0
    received: bytes = b""


class Pollers:
    """Polls with many clients. `seconds` contains the time of each response, and `statuses` its status."""

    def __init__(self, host: str, port: int, job_ids: Sequence[str], pollers: int) -> None:
        self.seconds: list[float] = []
        self.statuses: Counter[str] = Counter()
        self._epoll = select.epoll()
        self._clients: dict[int, Client] = {}
        for number in range(pollers):
            connection = socket.create_connection((host, port), RESPONSE_TIMEOUT_SECONDS)
            connection.setblocking(False)
            path = f"/reports/csv?jobId={job_ids[number % len(job_ids)]}"
            request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
            self._clients[connection.fileno()] = Client(connection, request)
            self._epoll.register(connection, select.EPOLLIN)

    def run(self, seconds: float) -> None:
        begin = time.monotonic()
        end, step = begin + seconds, INTERVAL_SECONDS / len(self._clients)
        due = [(begin + step * number, descriptor) for number, descriptor in enumerate(self._clients)]
        waiting = 0
        while (now := time.monotonic()) < end or waiting:
            if now > end + RESPONSE_TIMEOUT_SECONDS:
                self.statuses["no response"] += waiting
                return
            while due and due[0][0] <= now < end:
                _, descriptor = heapq.heappop(due)
                waiting += self._send(self._clients[descriptor])
            next_at = due[0][0] if due and now < end else end + RESPONSE_TIMEOUT_SECONDS
            for descriptor, _ in self._epoll.poll(max(0.0, next_at - now), MAX_EVENTS):
                client = self._clients[descriptor]
                if self._receive(client):
                    waiting -= 1
                    heapq.heappush(due, (client.sent_at + INTERVAL_SECONDS, descriptor))

    def _send(self, client: Client) -> int:
        """Send the next request. Return the number of requests that were sent."""
        client.sent_at = time.monotonic()
        try:
            client.connection.send(client.request)
        except OSError as error:
            self.statuses[type(error).__name__] += 1
            return 0
        return 1

    def _receive(self, client: Client) -> bool:
        """Read what has arrived. Return whether the request has ended."""
        try:
            data = client.connection.recv(RECEIVED_BYTES)
        except OSError as error:
            self._end(client, type(error).__name__)
            return True
        if not data:
            self._epoll.unregister(client.connection)
            self._end(client, "closed")
            return True
        client.received += data
        head, end, body = client.received.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return False
        self._end(client, head[9:12].decode())
        return True

    def _end(self, client: Client, status: str) -> None:
        self.seconds.append(time.monotonic() - client.sent_at)
        self.statuses[status] += 1
        client.received = b""


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0])


def main() -> None:
    parameters = json.load(sys.stdin)
    seconds = parameters.pop("seconds")
    pollers = Pollers(**parameters)
    pollers.run(seconds)
    json.dump({"seconds": sorted(pollers.seconds), "statuses": pollers.statuses}, sys.stdout)


if __name__ == "__main__":
    main()
