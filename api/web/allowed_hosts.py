"""Reject requests for unknown host names to prevent DNS rebinding.

In this attack, a malicious page points its own host name at this machine. The browser then treats our
responses as part of that page and lets it read them. However, the Host header still contains the page's host
name.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.web.problems import Refusal, as_response

# Load balancers request this path by IP address. Its response contains no data.
OPEN_PATH = "/healthz"
MAX_CACHED = 100
_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]*)?")
_DETAIL = (
    "This host name is not allowed. Use the host name in REPORTS_PUBLIC_URL, or add this one to"
    " REPORTS_ALLOWED_HOSTS."
)


def host_of(header: str) -> str | None:
    """Return the host in lower case, without the port or brackets, or None if the header is invalid."""
    match = _HOST.fullmatch(header)
    return (match["ipv6"] or match["name"]).lower() if match is not None else None


@lru_cache(MAX_CACHED)
def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class AllowedHosts:
    """ASGI middleware that responds with 421 unless the host is loopback or listed in `hosts`.

    `hosts` contains lowercase names without ports. If it is None, all hosts are allowed. X-Forwarded-Host is
    ignored, because a web page can set it.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] | None) -> None:
        self._app = app
        self._hosts = frozenset(hosts) if hosts is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._allows(scope):
            await as_response(Refusal(HTTPStatus.MISDIRECTED_REQUEST, _DETAIL))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _allows(self, scope: Scope) -> bool:
        if self._hosts is None or scope["path"].removeprefix(scope.get("root_path", "")) == OPEN_PATH:
            return True
        headers = Headers(scope=scope).getlist("host")
        host = host_of(headers[0]) if len(headers) == 1 else None
        return host is not None and (is_loopback(host) or host in self._hosts)
