"""Add security headers to all responses."""

import base64
import hashlib
import re
from collections.abc import Mapping, MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PAGE: Mapping[str, str] = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "form-action": "'none'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
_COMMON: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def policy(directives: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def docs_policy(html: bytes) -> str:
    """Return a content security policy for the API docs.

    It allows inline styles. It also allows the inline scripts in `html`, each identified by its hash.
    """
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
        for script in _INLINE_SCRIPT.findall(html)
    ]
    scripts = " ".join(["'self'", *hashes])
    return policy({**_PAGE, "script-src": scripts, "style-src": "'self' 'unsafe-inline'"})


class SecurityHeaders:
    """ASGI middleware that adds security headers to all responses, including error responses.

    `frame_ancestors` lists the sites that may embed the page. No site may embed the API docs.
    """

    def __init__(self, app: ASGIApp, docs_path: str, frame_ancestors: str = "") -> None:
        self._app, self._docs_path = app, docs_path
        self._policy = policy({**_PAGE, **({"frame-ancestors": frame_ancestors} if frame_ancestors else {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"].removeprefix(scope.get("root_path", "")) == self._docs_path:
            await self._app(scope, receive, _SendDocs(send))
        else:
            await self._app(scope, receive, _with_headers(send, self._policy))


def _with_headers(send: Send, content_security_policy: str) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            _add(message, content_security_policy)
        await send(message)

    return send_with_headers


class _SendDocs:
    """An ASGI `send` that holds back the headers until the body arrives.

    The headers contain hashes of the scripts in the body. The body of the API docs always arrives in a single
    message.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: MutableMapping[str, Any] | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        if self._start is not None:
            _add(self._start, docs_policy(message.get("body", b"")))
            await self._send(self._start)
            self._start = None
        await self._send(message)


def _add(start: MutableMapping[str, Any], content_security_policy: str) -> None:
    headers = MutableHeaders(scope=start)
    for name, value in {**_COMMON, "Content-Security-Policy": content_security_policy}.items():
        headers.setdefault(name, value)
