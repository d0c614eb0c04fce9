"""Check webhook URLs to prevent server-side request forgery.

A webhook makes this service send a request from inside the operator's network to a URL chosen by a caller.
The URL is therefore checked when the schedule is saved, and the host's addresses are checked before each
request. Only public hosts and hosts that the operator has listed are allowed.
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
# According to the URL standard, a host is an IPv4 address if its last label is a number in any notation.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Top-level domains that resolve only within private networks or do not resolve at all.
_NOT_PUBLIC = {
    *("localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan"),
    *("arpa", "test", "invalid", "example", "onion", "alt"),
}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class InvalidAddress(ValueError):
    """The URL is invalid or not allowed.

    The message is shown to the caller and contains no part of the URL.
    """


@dataclass(frozen=True)
class Address:
    """A parsed webhook URL.

    `target` is the path with the query string and may contain a secret. `private` is true if the operator has
    allowed this host.
    """

    host: str
    port: int
    target: str
    private: bool

    @property
    def host_and_port(self) -> str:
        """The part of the URL that may be shown and logged: `host`, or `host:port` if the port is not 443."""
        return self.host if self.port == HTTPS_PORT else f"{self.host}:{self.port}"


def parse_private_hosts(setting: str) -> frozenset[str]:
    """Parse the operator's comma-separated list of allowed hosts (`host` or `host:port`)."""
    hosts = (host.strip().lower() for host in setting.split(","))
    return frozenset(host.removesuffix(f":{HTTPS_PORT}") for host in hosts if host)


def parse_address(url: object, private: Collection[str]) -> Address:
    """Parse and check a URL.

    Raises InvalidAddress if it is invalid or not allowed.
    """
    if not isinstance(url, str) or not url:
        raise InvalidAddress("Must be an https URL.")
    if len(url) > MAX_LENGTH:
        raise InvalidAddress(f"Must have at most {MAX_LENGTH} characters.")
    parts = _split(url)
    if parts.scheme != "https":
        raise InvalidAddress("Must start with https://.")
    if "@" in parts.netloc:
        raise InvalidAddress("Must not contain a user name or password.")
    if "#" in url:
        raise InvalidAddress("Must not contain a fragment (`#…`), which is never sent.")
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
    """Return whether the address is on the public Internet.

    An IPv4 address embedded in an IPv6 address is checked as IPv4.
    """
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64_LOCAL or ip.is_site_local:
            return False
        if (ipv4 := _embedded_ipv4(ip)) is not None:
            return is_public(ipv4)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _embedded_ipv4(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip in _NAT64 or ip in _IPV4_COMPATIBLE:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def _split(url: str) -> SplitResult:
    # urlsplit drops or moves these characters, and other parsers treat them differently.
    if any(char.isspace() or not char.isprintable() or char == "\\" for char in url):
        raise InvalidAddress("Must not contain spaces, control characters or backslashes.")
    try:
        return urlsplit(url)
    except ValueError:
        raise InvalidAddress("Not a valid URL.") from None


def _host(parts: SplitResult) -> str:
    if "[" in parts.netloc or "]" in parts.netloc:
        raise InvalidAddress("Must use a host name, not an IP address.")
    name = (parts.hostname or "").removesuffix(".")
    if not name:
        raise InvalidAddress("Must contain a valid host name.")
    try:
        # As in browsers, UTS 46 processing converts digits and dots from other scripts to ASCII before the
        # checks.
        ascii_name = name if name.isascii() else idna.encode(name, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise InvalidAddress("Must contain a valid host name.") from None
    ascii_name = ascii_name.lower().removesuffix(".")
    if len(ascii_name) > 253 or not all(_LABEL.fullmatch(label) for label in ascii_name.split(".")):
        raise InvalidAddress("Must contain a valid host name.")
    return ascii_name


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        raise InvalidAddress("The port is not valid.") from None
    return HTTPS_PORT if port is None else port


def _check_public(host: str, port: int) -> None:
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        raise InvalidAddress("Must use a host name, not an IP address.")
    if len(labels) < 2 or labels[-1] in _NOT_PUBLIC:
        raise InvalidAddress("Must use a public host name.")
    if port != HTTPS_PORT:
        raise InvalidAddress("Must use port 443.")
