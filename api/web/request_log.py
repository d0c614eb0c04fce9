"""Write the access log and give every request an id.

The id is sent in a response header and appears in every log line for the request.
"""

import logging
import random
import re
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows import logs

HEADER = "X-Request-Id"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

access = logging.getLogger(logs.ACCESS)


class RequestLog:
    """ASGI middleware that writes the access log.

    The query string is left out, because it may contain signatures. This must be the outermost middleware, so
    that log lines from the other middleware contain the request id too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_at, status, request_id = time.perf_counter(), 500, _id_of(Headers(scope=scope))

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        with logs.context(request=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                method, path, seconds = scope["method"], scope["path"], time.perf_counter() - started_at
                fields = {"method": method, "path": path, "status": status, "seconds": round(seconds, 4)}
                access.info("%s %s %d", method, path, status, extra={"fields": fields})


def _id_of(headers: Headers) -> str:
    """Return the request id sent by the client, or a new id if the client sent none or an invalid one."""
    request_id = headers.get(HEADER, "")
    return request_id if _ID.fullmatch(request_id) else f"{random.getrandbits(64):016x}"
