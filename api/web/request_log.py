"""Request ids and the access log: the id is in the response headers and in every log line of the request."""

import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows import logs

HEADER = "X-Request-Id"
_GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")

access = logging.getLogger(logs.ACCESS)


class RequestLog:
    """ASGI middleware around everything that logs. The access line has the path, never the query."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status, request_id = time.perf_counter(), 500, _id_of(Headers(scope=scope))

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        with logs.context(request=request_id):
            try:
                await self._app(scope, receive, noting)
            finally:
                method, path, seconds = scope["method"], scope["path"], time.perf_counter() - begun
                facts = {"method": method, "path": path, "status": status, "seconds": round(seconds, 4)}
                access.info("%s %s %d", method, path, status, extra={"fields": facts})


def _id_of(headers: Headers) -> str:
    """Return the id of the client if it is valid, or a new one."""
    given = headers.get(HEADER, "")
    return given if _GIVEN.fullmatch(given) else secrets.token_hex(8)
