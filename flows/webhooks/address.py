"""Which addresses a webhook may have. Pure.

A webhook makes this service send a request to where a caller wants, from inside the operator's network. So
an address is looked at when it is given, by its text, and again when it is sent to, by what its name
resolves to: only what is public may be reached, and what the operator has named.
"""

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import idna

HTTPS_PORT = 443
MAX_LENGTH = 1024
_VISIBLE = re.compile(r"[\x21-\x7e]*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# The URL standard: a name whose last label is a number, in any notation, is an IPv4 address.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Names that mean something only inside a network, or nowhere.
_NOT_PUBLIC = {
    *("localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan"),
    *("arpa", "test", "invalid", "example", "onion", "alt"),
}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class InvalidAddress(ValueError):
    """The sentence is for whoever gave the address; it repeats nothing of it."""


@dataclass(frozen=True)
class Address:
    """`target` is path and query, as sent; it may hold a secret. `private`: the operator has named it."""

    host: str
    port: int
    target: str
    private: bool

    @property
    def host_and_port(self) -> str:
        """What may be shown and logged."""
        return self.host if self.port == HTTPS_PORT else f"{self.host}:{self.port}"


def parse_private_hosts(setting: str) -> frozenset[str]:
    """`host[:port]`, separated by commas, as the operator lists them."""
    named = (each.strip().lower() for each in setting.split(","))
    return frozenset(each.removesuffix(f":{HTTPS_PORT}") for each in named if each)


def parse_address(url: object, private: Collection[str]) -> Address:
    """InvalidAddress says what is wrong with it."""
    if not isinstance(url, str) or not url:
        raise InvalidAddress("It must be an https address.")
    if len(url) > MAX_LENGTH:
        raise InvalidAddress(f"It may have at most {MAX_LENGTH} characters.")
    parts = _split(url)
    if parts.scheme != "https":
        raise InvalidAddress("It must begin with https://.")
    if "@" in parts.netloc:
        raise InvalidAddress("It must hold no user name or password.")
    if "#" in url:
        raise InvalidAddress("It must have no fragment (`#…`): that would not be sent.")
    host, port = _host(parts), _port(parts)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _VISIBLE.fullmatch(target):
        raise InvalidAddress("Path and query must be percent-encoded.")
    address = Address(host, port, target, False)
    if address.host_and_port in private:
        return Address(host, port, target, True)
    _check_public(host, port)
    return address


def is_public(ip: IpAddress) -> bool:
    """Whether it is an address of the public Internet, also behind each way to write IPv4 as IPv6."""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64_LOCAL or ip.is_site_local:
            return False
        if (inner := _inner(ip)) is not None:
            return is_public(inner)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _inner(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip in _NAT64 or ip in _IPV4_COMPATIBLE:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def _split(url: str) -> SplitResult:
    # Python would drop or move these, and others read them in yet other ways.
    if any(char.isspace() or not char.isprintable() or char == "\\" for char in url):
        raise InvalidAddress("It must have no blanks, control characters or backslashes.")
    try:
        return urlsplit(url)
    except ValueError:
        raise InvalidAddress("It is no address.") from None


def _host(parts: SplitResult) -> str:
    if "[" in parts.netloc or "]" in parts.netloc:
        raise InvalidAddress("It must have a name, not the number of a machine.")
    name = (parts.hostname or "").removesuffix(".")
    if not name:
        raise InvalidAddress("It must name a host.")
    try:
        # As browsers read it: other scripts' digits and dots become ours here, before they are looked at.
        ascii_name = name if name.isascii() else idna.encode(name, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise InvalidAddress("It must name a host.") from None
    ascii_name = ascii_name.lower().removesuffix(".")
    if len(ascii_name) > 253 or not all(_LABEL.fullmatch(label) for label in ascii_name.split(".")):
        raise InvalidAddress("It must name a host.")
    return ascii_name


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        raise InvalidAddress("Its port is no port.") from None
    return HTTPS_PORT if port is None else port


def _check_public(host: str, port: int) -> None:
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        raise InvalidAddress("It must have a name, not the number of a machine.")
    if len(labels) < 2 or labels[-1] in _NOT_PUBLIC:
        raise InvalidAddress("It must be a public name.")
    if port != HTTPS_PORT:
        raise InvalidAddress("Its port must be 443.")
