"""Test that public webhook URLs are accepted and that internal hosts are rejected in every notation."""

import ipaddress

import pytest

from flows.webhooks.address import InvalidAddress, is_public, parse_address, parse_private_hosts

NUMBER, PUBLIC, PORT, HOST = "not an IP address", "public host name", "port", "valid host name"


def wide(text: str) -> str:
    """Return the text in full-width characters, which browsers treat as ASCII."""
    return "".join(char if char == "." else chr(ord(char) + 0xFEE0) for char in text)


REJECTED = [
    ("", "https URL"),
    (None, "https URL"),
    (7, "https URL"),
    (["https://hooks.example.com/"], "https URL"),
    ("hooks.example.com", "start with https"),
    ("//hooks.example.com/", "start with https"),
    ("http://hooks.example.com/", "start with https"),
    ("ftp://hooks.example.com/", "start with https"),
    ("javascript:alert(1)", "start with https"),
    ("file:///etc/passwd", "start with https"),
    ("https:hooks.example.com", HOST),
    ("https://", HOST),
    ("https:///path", HOST),
    ("https://?query", HOST),
    ("https://user@hooks.example.com/", "user name"),
    ("https://user:word@hooks.example.com/", "user name"),
    ("https://hooks.example.com@127.0.0.1/", "user name"),
    ("https://@hooks.example.com/", "user name"),
    ("https://hooks.example.com/#part", "fragment"),
    ("https://127.0.0.1/", NUMBER),
    ("https://127.0.0.1./", NUMBER),
    ("https://127.1/", NUMBER),
    ("https://127.0.1/", NUMBER),
    ("https://2130706433/", NUMBER),
    ("https://0x7f000001/", NUMBER),
    ("https://0x7f.0.0.1/", NUMBER),
    ("https://0x7f.0x0.0x0.0x1/", NUMBER),
    ("https://017700000001/", NUMBER),
    ("https://0177.0.0.01/", NUMBER),
    ("https://0/", NUMBER),
    ("https://0x/", NUMBER),
    ("https://8.8.8.8/", NUMBER),
    ("https://300.300.300.300/", NUMBER),
    ("https://hooks.example.1/", NUMBER),
    (f"https://{wide('127.0.0.1')}/", NUMBER),
    ("https://127。0。0。1/", NUMBER),
    ("https://①②⑦.⓪.⓪.①/", NUMBER),
    ("https://[::1]/", NUMBER),
    ("https://[::]/", NUMBER),
    ("https://[::ffff:127.0.0.1]/", NUMBER),
    ("https://[::ffff:7f00:1]/", NUMBER),
    ("https://[2606:4700:4700::1111]/", NUMBER),
    ("https://[fe80::1%25eth0]/", NUMBER),
    ("https://[::1/", "Not a valid URL"),
    ("https://localhost/", PUBLIC),
    ("https://LOCALHOST/", PUBLIC),
    ("https://localhost./", PUBLIC),
    (f"https://{wide('localhost')}/", PUBLIC),
    ("https://hooks.localhost/", PUBLIC),
    ("https://localhost.localdomain/", PUBLIC),
    ("https://printer.local/", PUBLIC),
    ("https://hooks.internal/", PUBLIC),
    ("https://metadata.google.internal/computeMetadata/v1/", PUBLIC),
    ("https://metadata/", PUBLIC),
    ("https://instance-data/latest/", PUBLIC),
    ("https://169.254.169.254/latest/meta-data/", NUMBER),
    ("https://[fd00:ec2::254]/latest/meta-data/", NUMBER),
    ("https://router.lan/", PUBLIC),
    ("https://nas.home.arpa/", PUBLIC),
    ("https://1.0.0.127.in-addr.arpa/", PUBLIC),
    ("https://hooks/", PUBLIC),
    ("https://hooks.test/", PUBLIC),
    ("https://hooks.example.com:8443/", PORT),
    ("https://hooks.example.com:80/", PORT),
    ("https://hooks.example.com:0/", PORT),
    ("https://hooks.example.com:70000/", PORT),
    ("https://hooks.example.com:x/", PORT),
    ("https://hooks..example.com/", HOST),
    ("https://.example.com/", HOST),
    ("https://-hooks.example.com/", HOST),
    ("https://hooks_1.example.com/", HOST),
    ("https://hooks%2eexample.com/", HOST),
    ("https://127.0.0.1%00.example.com/", HOST),
    ("https://*.example.com/", HOST),
    (f"https://{'a' * 64}.example.com/", HOST),
    ("https://" + "a." * 126 + "example.com/", HOST),
    ("https://a\u2028b.example.com/", "spaces"),
    ("https://hooks.example.com/a b", "spaces"),
    (" https://hooks.example.com/", "spaces"),
    ("https://hooks.example.com/\r\nHost: x", "spaces"),
    ("https://hooks.example.com\\@127.0.0.1/", "spaces"),
    ("https://hooks.example.com/\x00", "spaces"),
    ("https://hooks.example.com/ü", "percent-encoded"),
    ("https://hooks.example.com/…", "percent-encoded"),
    ("https://hooks.example.com/?q=ü", "percent-encoded"),
    ("https://hooks.example.com/" + "x" * 1024, "1024"),
]


@pytest.mark.parametrize(("url", "reason"), REJECTED)
def test_a_url_that_is_not_public_https_is_rejected_with_the_reason(url: object, reason: str) -> None:
    with pytest.raises(InvalidAddress, match=reason):
        parse_address(url, ())


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("https://hooks.example.com", "hooks.example.com", "/"),
        ("HTTPS://Hooks.Example.COM:443/a/b?c=d&e=%20", "hooks.example.com", "/a/b?c=d&e=%20"),
        ("https://hooks.example.com.?x", "hooks.example.com", "/?x"),
        ("https://bücher.example.com/", "xn--bcher-kva.example.com", "/"),
        ("https://xn--bcher-kva.example.com/", "xn--bcher-kva.example.com", "/"),
        # This host's address is checked later, when a webhook is sent.
        ("https://127.0.0.1.nip.io/", "127.0.0.1.nip.io", "/"),
    ],
)
def test_a_public_url_is_parsed(url: str, host: str, target: str) -> None:
    address = parse_address(url, ())
    assert (address.host, address.port, address.target, address.private) == (host, 443, target, False)
    assert address.host_and_port == host


@pytest.mark.parametrize(
    "url", ["https://localhost:8443/x", "https://hooks.corp/x", "https://10.0.0.5/x", "https://HOOKS.corp./"]
)
def test_hosts_listed_by_the_operator_may_be_private(url: str) -> None:
    hosts = parse_private_hosts("localhost:8443, hooks.corp:443,10.0.0.5,")
    assert parse_address(url, hosts).private


@pytest.mark.parametrize(
    "url",
    ["https://localhost/", "https://localhost:8444/", "https://hooks.corp:8443/", "https://a.hooks.corp/"],
)
def test_hosts_and_ports_that_are_not_listed_are_rejected(url: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_address(url, parse_private_hosts("localhost:8443,hooks.corp"))


@pytest.mark.parametrize("url", ["http://localhost:8443/", "https://me@localhost:8443/"])
def test_a_private_url_needs_https_and_no_user_name(url: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_address(url, parse_private_hosts("localhost:8443"))


@pytest.mark.parametrize(
    "ip",
    [
        *("0.0.0.1", "10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.1.1"),
        *("192.0.2.1", "198.18.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
        *(
            "::",
            "::1",
            "fe80::1",
            "fe80::1%eth0",
            "fc00::1",
            "fd00:ec2::254",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
        ),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
        *("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::8.8.8.8", "2001:0:a00:1::"),
    ],
)
def test_an_internal_address_is_not_public(ip: str) -> None:
    assert not is_public(ipaddress.ip_address(ip))


@pytest.mark.parametrize(
    "ip", ["8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
)
def test_an_internet_address_is_public(ip: str) -> None:
    assert is_public(ipaddress.ip_address(ip))
