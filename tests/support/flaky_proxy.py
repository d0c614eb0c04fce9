"""HTTP proxy for the API and for downloads. Tests use it to change or break responses."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

DOWNLOADS = "/downloads/"
_REQUEST_HEADERS = ("content-type", "prefer", "idempotency-key", "range", "accept-encoding", "authorization")
_RESPONSE_HEADERS = ("content-type", "content-range", "retry-after")


@dataclass
class Answer:
    """A response. If `cut_after` is set, the connection breaks after that many bytes of the body."""

    status: int
    headers: dict[str, str]
    body: bytes
    cut_after: int | None = None


@dataclass(frozen=True)
class ProxiedRequest:
    method: str
    path: str
    headers: dict[str, str]


Tamper = Callable[[int, Answer], None]


@dataclass
class FlakyProxy:
    """A proxy in front of `target`.

    `tamper_download(n, answer)` may modify the nth download. `tamper_call(n, answer)` may modify the nth
    response to any other request.
    """

    target: str
    tamper_download: Tamper = lambda number, answer: None
    tamper_call: Tamper = lambda number, answer: None
    requests: list[ProxiedRequest] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    url: str = ""
    calls: int = 0

    @property
    def downloads(self) -> list[ProxiedRequest]:
        return [request for request in self.requests if request.path.startswith(DOWNLOADS)]

    def forward(self, request: ProxiedRequest, body: bytes) -> Answer:
        self.requests.append(request)
        is_download = request.path.startswith(DOWNLOADS)
        link = self.links[int(request.path.removeprefix(DOWNLOADS))] if is_download else ""
        headers = {name: value for name, value in request.headers.items() if name in _REQUEST_HEADERS}
        url = link or f"{self.target}{request.path}"
        with httpx.Client(trust_env=False, timeout=60) as client:
            response = client.request(request.method, url, headers=headers, content=body)
        headers = {name: response.headers[name] for name in _RESPONSE_HEADERS if name in response.headers}
        answer = Answer(response.status_code, headers, response.content)
        if response.status_code == httpx.codes.SEE_OTHER:
            self.links.append(response.headers["location"])
            answer.headers["location"] = f"{self.url}{DOWNLOADS}{len(self.links) - 1}"
        self._tamper(is_download, answer)
        return answer

    def _tamper(self, is_download: bool, answer: Answer) -> None:
        if is_download:
            self.tamper_download(len(self.downloads), answer)
        else:
            self.calls += 1
            self.tamper_call(self.calls, answer)


class _Handler(BaseHTTPRequestHandler):
    proxy: FlakyProxy

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        answer = self.proxy.forward(ProxiedRequest(self.command, self.path, headers), body)
        if answer.cut_after == 0 and not answer.body:
            return  # close the connection without sending a response
        self.send_response(answer.status)
        for name, value in {"content-length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(answer.body[: answer.cut_after])

    do_POST = do_GET

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log nothing."""


@contextmanager
def flaky_proxy(target: str) -> Iterator[FlakyProxy]:
    proxy = FlakyProxy(target)
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
