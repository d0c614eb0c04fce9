"""Support serving the API under a path prefix.

Either a reverse proxy removes the prefix, or another application mounts the API under it.
"""

import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADER = b"x-forwarded-prefix"
_PREFIX = re.compile(rb"(/[A-Za-z0-9._~-]+)+")


def _under(prefix: str, scope: Scope) -> Scope:
    """Add the prefix that the proxy has removed, and return the new scope.

    ASGI paths include `root_path`. `app_root_path` is the `root_path` of the application that mounts the API.
    The prefix from the header replaces `app_root_path`.
    """
    root_path, path = scope.get("root_path", ""), scope["path"]
    mounted_at = root_path.removeprefix(scope["app_root_path"]) if "app_root_path" in scope else ""
    if not path.startswith(f"{prefix}/"):
        path = prefix + path
    return {**scope, "root_path": prefix + mounted_at, "path": path, "raw_path": path.encode()}


class ForwardedPrefix:
    """ASGI middleware that sets `root_path` from the proxy's `X-Forwarded-Prefix` header.

    The API docs need `root_path` for the URLs of their files. The page does not need it, because its URLs are
    relative. If the header is missing, a prefix set with `--root-path` is kept. The middleware also adds the
    prefix to `Location` headers, because the routes do not know the prefix.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            prefix = dict(scope["headers"]).get(_HEADER, b"").rstrip(b"/")
            if _PREFIX.fullmatch(prefix):
                scope = _under(prefix.decode(), scope)
            if root_path := scope.get("root_path"):
                send = _with_location_under(root_path, send)
        await self._app(scope, receive, send)


def _with_location_under(root_path: str, send: Send) -> Send:
    async def send_with_location(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if headers.get("Location", "").startswith("/"):
                headers["Location"] = root_path + headers["Location"]
        await send(message)

    return send_with_location
