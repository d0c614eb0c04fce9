"""Answer only known host names, so that a web page whose name was rebound to this machine is refused.

The browser sends such a page's requests with the page's host name and lets it read the responses.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.web.problems import Refusal, as_response

# Load balancers ask for it by IP address, and it contains no data.
OPEN_PATH = "/healthz"
_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]*)?")
_DETAIL = (
    "The service does not answer under this host name. Use the host of REPORTS_PUBLIC_URL, or add the name"
    " to REPORTS_ALLOWED_HOSTS."
)


def host_of(header: str) -> str | None:
    """Return the host in lower case, without port and brackets; None for an invalid Host header."""
    match = _HOST.fullmatch(header)
    return (match["ipv6"] or match["name"]).lower() if match is not None else None


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class AllowedHosts:
    """ASGI middleware that answers 421 for a host that is neither loopback nor in `hosts`.

    `hosts` are in lower case, without ports; None allows all. Only the Host header counts: a page can set
    X-Forwarded-Host.
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
