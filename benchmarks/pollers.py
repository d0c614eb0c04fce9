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
# A request without a response at the end is not counted if it was sent less than this before.
TOLERATED_SECONDS = 5.0
MAX_EVENTS = 1_000
RECEIVED_BYTES = 65_536


@dataclass
class Client:
    """A client that polls once a second on one connection."""

    connection: socket.socket
    request: bytes
    sent_at: float = 0.0
    waits: bool = False
    received: bytes = b""


class Pollers:
    """Polls with many clients. `seconds` contains the time of each response, and `statuses` its status.

    A client whose connection fails is counted once and then stops.
    """

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
        """Poll for `seconds`. Requests that have then waited too long count as `no response`."""
        begin = time.monotonic()
        end, step = begin + seconds, INTERVAL_SECONDS / len(self._clients)
        due = [(begin + step * number, descriptor) for number, descriptor in enumerate(self._clients)]
        while (now := time.monotonic()) < end:
            while due and due[0][0] <= now:
                client = self._clients.get(heapq.heappop(due)[1])
                if client is not None:
                    self._send(client)
            next_at = min(due[0][0], end) if due else end
            for descriptor, _ in self._epoll.poll(max(0.0, next_at - now), MAX_EVENTS):
                client = self._clients[descriptor]
                if self._receive(client):
                    heapq.heappush(due, (client.sent_at + INTERVAL_SECONDS, descriptor))
        late = [client for client in self._clients.values() if 0 < client.sent_at < end - TOLERATED_SECONDS]
        self.statuses["no response"] = sum(client.waits for client in late)

    def _send(self, client: Client) -> None:
        client.sent_at, client.waits = time.monotonic(), True
        try:
            client.connection.send(client.request)
        except OSError as error:
            self._drop(client, type(error).__name__)

    def _receive(self, client: Client) -> bool:
        """Read what has arrived. Return whether the response is complete."""
        try:
            data = client.connection.recv(RECEIVED_BYTES)
        except OSError as error:
            self._drop(client, type(error).__name__)
            return False
        if not data:
            self._drop(client, "closed")
            return False
        client.received += data
        head, end, body = client.received.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return False
        self.seconds.append(time.monotonic() - client.sent_at)
        self.statuses[head[9:12].decode()] += 1
        client.received, client.waits = b"", False
        return True

    def _drop(self, client: Client, reason: str) -> None:
        self.statuses[reason] += 1
        del self._clients[client.connection.fileno()]
        self._epoll.unregister(client.connection)
        client.connection.close()


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0])


def main() -> None:
    parameters = json.load(sys.stdin)
    seconds = parameters.pop("seconds")
    pollers = Pollers(**parameters)
    pollers.run(seconds)
    statuses = {status: number for status, number in pollers.statuses.items() if number}
    json.dump({"seconds": sorted(pollers.seconds), "statuses": statuses}, sys.stdout)


if __name__ == "__main__":
    main()
