"""Serve under a path prefix behind a reverse proxy."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

_HEADER = b"x-forwarded-prefix"
_PREFIX = re.compile(rb"(/[A-Za-z0-9._~-]+)+")


def _under(prefix: str, scope: Scope) -> Scope:
    """ASGI's `path` includes `root_path`, which the proxy has taken away."""
    path = scope["path"]
    if not path.startswith(f"{prefix}/"):
        path = prefix + path
    return {**scope, "root_path": prefix, "path": path, "raw_path": path.encode()}


class ForwardedPrefix:
    """Take the proxy's `X-Forwarded-Prefix` as `root_path`, so that the API docs find their files.

    The page itself uses relative addresses only. Without the header, a prefix set with `--root-path` stays.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            prefix = dict(scope["headers"]).get(_HEADER, b"").rstrip(b"/")
            if _PREFIX.fullmatch(prefix):
                scope = _under(prefix.decode(), scope)
        await self._app(scope, receive, send)
