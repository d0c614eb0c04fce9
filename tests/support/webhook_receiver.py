"""Run an HTTPS server that receives webhooks on loopback. Its certificate is signed by a test CA."""

import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme
from standardwebhooks import Webhook

HOST = "localhost"
ARRIVAL_TIMEOUT_SECONDS = 60
HANG = 0  # with this status, the receiver never responds to the request
HANG_SECONDS = 30.0


@dataclass(frozen=True)
class ReceivedRequest:
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verify(self, secret: str) -> dict[str, Any]:
        """Verify the signature with the standardwebhooks library and return the message."""
        return dict(Webhook(secret).verify(self.body, dict(self.headers)))


@dataclass
class Receiver:
    """A server that records requests and responds with the statuses configured for each path.

    The last status for a path is repeated. Requests to paths without statuses receive a 204.
    """

    ca_file: Path
    port: int = 0
    statuses: dict[str, list[int]] = field(default_factory=dict)
    received: list[ReceivedRequest] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def settings(self) -> dict[str, str]:
        """Settings that allow the service to send webhooks to this receiver."""
        return {
            "REPORTS_WEBHOOK_PRIVATE_HOSTS": f"{HOST}:{self.port}",
            "REPORTS_WEBHOOK_CA_FILE": str(self.ca_file),
        }

    def url(self, path: str, *statuses: int) -> str:
        self.statuses[path.partition("?")[0]] = list(statuses)
        return f"https://{HOST}:{self.port}{path}"

    def requests_to(self, path: str) -> list[ReceivedRequest]:
        return [request for request in self.received if request.path.partition("?")[0] == path]

    def wait_for(self, path: str, count: int = 1) -> list[ReceivedRequest]:
        deadline = time.monotonic() + ARRIVAL_TIMEOUT_SECONDS
        while len(requests := self.requests_to(path)) < count:
            assert time.monotonic() < deadline, [request.path for request in self.received]
            time.sleep(0.05)
        return requests

    def wait_for_type(self, path: str, secret: str, message_type: str) -> list[dict[str, Any]]:
        """Wait for a message of this type, and return all messages sent to the path."""
        deadline = time.monotonic() + ARRIVAL_TIMEOUT_SECONDS
        while True:
            messages = [request.verify(secret) for request in self.requests_to(path)]
            if any(message["type"] == message_type for message in messages):
                return messages
            assert time.monotonic() < deadline, [message["type"] for message in messages]
            time.sleep(0.05)

    def next_status(self, path: str) -> int:
        remaining = self.statuses.get(path.partition("?")[0]) or [204]
        return remaining.pop(0) if len(remaining) > 1 else remaining[0]


@contextmanager
def running_receiver(folder: Path, names: Sequence[str] = (HOST,)) -> Iterator[Receiver]:
    authority = trustme.CA()
    ca_file = folder / "receivers-ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    receiver = Receiver(ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    server = Server(receiver, context)
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, receiver: Receiver, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.receiver, self.context = receiver, context

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Do the TLS handshake in the connection's thread, so a slow client does not block other clients."""
        try:
            with self.context.wrap_socket(request, server_side=True) as connection:
                super().finish_request(connection, client_address)
        except OSError:  # the client closed the connection or does not trust the certificate
            return


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["content-length"]))
        receiver.received.append(
            ReceivedRequest(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        )
        status = receiver.next_status(self.path)
        if status == HANG:
            receiver.stopped.wait(HANG_SECONDS)
            return
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("location", f"https://{HOST}:{receiver.port}/elsewhere")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""
