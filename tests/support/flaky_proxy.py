"""An HTTP server in front of the service: what is asked of it is passed on, downloads come through it too,
and both can be spoilt on the way."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

DOWNLOADS = "/downloads/"
_PASSED_ON = ("content-type", "prefer", "idempotency-key", "range", "accept-encoding", "authorization")
_HANDED_BACK = ("content-type", "content-range", "retry-after")


@dataclass
class Answer:
    """`closed_after` bytes the connection breaks, whatever the headers say."""

    status: int
    headers: dict[str, str]
    body: bytes
    closed_after: int | None = None


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]


Spoil = Callable[[int, Answer], None]


@dataclass
class Front:
    """`spoil_download(n, answer)` changes the n-th answer with a file, `spoil_call` any other one."""

    target: str
    spoil_download: Spoil = lambda number, answer: None
    spoil_call: Spoil = lambda number, answer: None
    asked: list[Asked] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    url: str = ""
    calls: int = 0

    @property
    def downloads(self) -> list[Asked]:
        return [each for each in self.asked if each.path.startswith(DOWNLOADS)]

    def answer(self, asked: Asked, body: bytes) -> Answer:
        self.asked.append(asked)
        is_download = asked.path.startswith(DOWNLOADS)
        link = self.links[int(asked.path.removeprefix(DOWNLOADS))] if is_download else ""
        headers = {name: value for name, value in asked.headers.items() if name in _PASSED_ON}
        url = link or f"{self.target}{asked.path}"
        with httpx.Client(trust_env=False, timeout=60) as client:
            found = client.request(asked.method, url, headers=headers, content=body)
        kept = {name: found.headers[name] for name in _HANDED_BACK if name in found.headers}
        answer = Answer(found.status_code, kept, found.content)
        if found.status_code == httpx.codes.SEE_OTHER:
            self.links.append(found.headers["location"])
            answer.headers["location"] = f"{self.url}{DOWNLOADS}{len(self.links) - 1}"
        self._spoil(is_download, answer)
        return answer

    def _spoil(self, is_download: bool, answer: Answer) -> None:
        if is_download:
            self.spoil_download(len(self.downloads), answer)
        else:
            self.calls += 1
            self.spoil_call(self.calls, answer)


class _Handler(BaseHTTPRequestHandler):
    front: Front

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        answer = self.front.answer(Asked(self.command, self.path, headers), body)
        if answer.closed_after == 0 and not answer.body:
            return  # no answer at all
        self.send_response(answer.status)
        for name, value in {"content-length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(answer.body[: answer.closed_after])

    do_POST = do_GET

    def log_message(self, format: str, *arguments: Any) -> None:
        """The tests say what is wrong."""


@contextmanager
def in_front_of(target: str) -> Iterator[Front]:
    front = Front(target)
    handler = type("Handler", (_Handler,), {"front": front})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        front.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield front
        finally:
            server.shutdown()
            thread.join()
