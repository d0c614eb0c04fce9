"""Sends one webhook: the name is resolved once, each address it has must be allowed, and one of those is
connected to, under the name's certificate. No proxy, no redirect; the answer's body is not read."""

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

# At INFO it writes whole addresses, and a webhook's may hold a secret.
logging.getLogger("httpx").setLevel(logging.WARNING)


async def resolve_host(host: str, port: int) -> list[IpAddress]:
    """Each once, in the order in which the system prefers them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(each[4][0]) for each in found))


async def post(
    address: Address,
    body: bytes,
    headers: Mapping[str, str],
    ca_file: Path | None = None,
    resolve: Resolve = resolve_host,
    seconds: float = TIMEOUT_SECONDS,
) -> int:
    """The answer's status; a DeliveryError when there was none."""
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
    found = await resolve(address.host, address.port)
    if not address.private and not all(map(is_public, found)):
        raise AddressForbidden
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    limits = httpx.Timeout(TIMEOUT_SECONDS)
    async with httpx.AsyncClient(verify=context, trust_env=False, timeout=limits) as client:
        for ip in found:
            try:
                return await _post_to(ip, address, body, headers, client)
            except httpx.ConnectError:  # nothing was sent; the next of the same addresses may be reached
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
    ) as answer:
        return answer.status_code
