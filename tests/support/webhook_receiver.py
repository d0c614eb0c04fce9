"""A receiver of webhooks: a real HTTPS server on loopback, under a certificate of a CA of its own."""

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
ARRIVED_WITHIN_SECONDS = 60
HANGS = 0  # in place of a status
LONG_SECONDS = 30.0


@dataclass(frozen=True)
class Received:
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> dict[str, Any]:
        """By the standard's own library."""
        return dict(Webhook(secret).verify(self.body, dict(self.headers)))


@dataclass
class Receiver:
    """Answers each path with its statuses in turn, the last one again and again; 204 when it has none."""

    ca_file: Path
    port: int = 0
    answers: dict[str, list[int]] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def settings(self) -> dict[str, str]:
        """What an operator sets for it."""
        return {
            "REPORTS_WEBHOOK_PRIVATE_HOSTS": f"{HOST}:{self.port}",
            "REPORTS_WEBHOOK_CA_FILE": str(self.ca_file),
        }

    def url(self, path: str, *answers: int) -> str:
        self.answers[path.partition("?")[0]] = list(answers)
        return f"https://{HOST}:{self.port}{path}"

    def at(self, path: str) -> list[Received]:
        return [each for each in self.received if each.path.partition("?")[0] == path]

    def until(self, path: str, number: int = 1) -> list[Received]:
        limit = time.monotonic() + ARRIVED_WITHIN_SECONDS
        while len(found := self.at(path)) < number:
            assert time.monotonic() < limit, [each.path for each in self.received]
            time.sleep(0.05)
        return found

    def answer(self, path: str) -> int:
        left = self.answers.get(path.partition("?")[0]) or [204]
        return left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def receiving(folder: Path, names: Sequence[str] = (HOST,)) -> Iterator[Receiver]:
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
        receiver.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, receiver: Receiver, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.receiver, self.context = receiver, context

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The handshake in the connection's own thread: one that hangs must not hold the others up."""
        try:
            with self.context.wrap_socket(request, server_side=True) as connection:
                super().finish_request(connection, client_address)
        except OSError:  # the client wants no more, or does not trust us
            return


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["content-length"]))
        receiver.received.append(
            Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        )
        status = receiver.answer(self.path)
        if status == HANGS:
            receiver.ended.wait(LONG_SECONDS)
            return
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("location", f"https://{HOST}:{receiver.port}/elsewhere")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests read what was received."""
