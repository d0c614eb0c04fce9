"""Send a single webhook.

The host is resolved once. All its addresses must be public, unless the operator has allowed the host. The
request is sent to one of these addresses, and the host's certificate is verified. Proxies and redirects are
disabled, and the response body is not read.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import httpx

from flows.errors import AddressForbidden, ReceiverSilent, ReceiverUnreachable
from flows.webhooks.address import Address, IpAddress, is_public

TIMEOUT_SECONDS = 5.0

Resolve = Callable[[str, int], Awaitable[Sequence[IpAddress]]]

# At the INFO level, httpx logs complete URLs, but a webhook's URL may contain a secret.
logging.getLogger("httpx").setLevel(logging.WARNING)


async def resolve_host(host: str, port: int) -> list[IpAddress]:
    """Return the distinct addresses of the host in the system's order of preference."""
    infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(sockaddr[0]) for *_, sockaddr in infos))


async def post(
    address: Address,
    body: bytes,
    headers: Mapping[str, str],
    ca_file: Path | None = None,
    resolve: Resolve = resolve_host,
    seconds: float = TIMEOUT_SECONDS,
) -> int:
    """Send a webhook and return the status code of the response.

    Raises DeliveryError if there was no response.
    """
    try:
        async with asyncio.timeout(seconds):
            return await _post(address, body, headers, ca_file, resolve)
    except (TimeoutError, httpx.TimeoutException):
        raise ReceiverSilent from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError):
        raise ReceiverUnreachable from None


async def _post(
    address: Address, body: bytes, headers: Mapping[str, str], ca_file: Path | None, resolve: Resolve
) -> int:
    ips = await resolve(address.host, address.port)
    if not address.private and not all(map(is_public, ips)):
        raise AddressForbidden
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    limits = httpx.Timeout(TIMEOUT_SECONDS)
    async with httpx.AsyncClient(verify=context, trust_env=False, timeout=limits) as client:
        for ip in ips:
            try:
                return await _post_to(ip, address, body, headers, client)
            except httpx.ConnectError:  # Nothing was sent, so try the next address.
                continue
    raise ReceiverUnreachable


async def _post_to(
    ip: IpAddress, address: Address, body: bytes, headers: Mapping[str, str], client: httpx.AsyncClient
) -> int:
    url = httpx.URL(scheme="https", host=str(ip), port=address.port, raw_path=address.target.encode())
    async with client.stream(
        "POST",
        url,
        content=body,
        headers={**headers, "host": address.host_and_port, "connection": "close"},
        extensions={"sni_hostname": address.host},
        follow_redirects=False,
    ) as response:
        return response.status_code
