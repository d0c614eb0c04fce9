"""Support path prefixes that a reverse proxy removes."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

_HEADER = b"x-forwarded-prefix"
_PREFIX = re.compile(rb"(/[A-Za-z0-9._~-]+)+")


def _under(prefix: str, scope: Scope) -> Scope:
    path = scope["path"]  # ASGI paths include `root_path`, but the proxy has removed it
    if not path.startswith(f"{prefix}/"):
        path = prefix + path
    return {**scope, "root_path": prefix, "path": path, "raw_path": path.encode()}


class ForwardedPrefix:
    """ASGI middleware that sets `root_path` from the proxy's `X-Forwarded-Prefix` header.

    The API docs need `root_path` for the URLs of their files. The page uses only relative URLs. A prefix set
    with `--root-path` is kept if the header is missing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            prefix = dict(scope["headers"]).get(_HEADER, b"").rstrip(b"/")
            if _PREFIX.fullmatch(prefix):
                scope = _under(prefix.decode(), scope)
        await self._app(scope, receive, send)
