"""Test webhook requests over real TLS, including address checks, certificates, redirects and timeouts."""

import asyncio
import ipaddress
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from flows.errors import AddressForbidden, ReceiverSilent, ReceiverUnreachable
from flows.webhooks.address import Address, IpAddress, parse_address, parse_private_hosts
from flows.webhooks.sender import TIMEOUT_SECONDS, Resolve, post, resolve_host
from tests.support.webhook_receiver import HANG, HOST, Receiver, running_receiver

LOOPBACK, PUBLIC = ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("93.184.215.14")
MAPPED = ipaddress.ip_address("::ffff:127.0.0.1")
NAME = "hooks.example.com"


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with running_receiver(tmp_path_factory.mktemp("receiver"), (HOST, NAME)) as receiver:
        yield receiver


def allowed_address(receiver: Receiver, path: str, *statuses: int, host: str = NAME) -> Address:
    """Allow the receiver's host as a private host, and return the receiver's address."""
    url = receiver.url(path, *statuses).replace(HOST, host)
    return parse_address(url, parse_private_hosts(f"{host}:{receiver.port}"))


def resolver(*addresses: IpAddress) -> Resolve:
    async def resolve(host: str, port: int) -> Sequence[IpAddress]:
        return addresses

    return resolve


def send(
    address: Address, ca_file: Path | None, resolve: Resolve = resolve_host, seconds: float = TIMEOUT_SECONDS
) -> int:
    return asyncio.run(post(address, b"{}", {"webhook-id": "msg_1"}, ca_file, resolve, seconds))


def test_the_request_goes_to_the_resolved_address_and_verifies_the_host_name(receiver: Receiver) -> None:
    address = allowed_address(receiver, "/named?token=a%20b", 200)
    assert send(address, receiver.ca_file, resolver(LOOPBACK)) == 200
    (received,) = receiver.requests_to("/named")
    assert received.path == "/named?token=a%20b"
    assert received.headers["host"] == f"{NAME}:{receiver.port}"
    assert (received.headers["webhook-id"], received.body) == ("msg_1", b"{}")


@pytest.mark.parametrize("addresses", [[LOOPBACK], [PUBLIC, LOOPBACK], [MAPPED]])
def test_a_public_name_with_a_private_address_is_rejected(
    receiver: Receiver, addresses: list[IpAddress]
) -> None:
    """The name is rejected even if only one of its addresses is private."""
    public = replace(allowed_address(receiver, "/private", 200), private=False)
    before = len(receiver.received)
    with pytest.raises(AddressForbidden):
        send(public, receiver.ca_file, resolver(*addresses))
    assert len(receiver.received) == before


def test_a_name_is_resolved_only_once(receiver: Receiver) -> None:
    """A second lookup could return an address that has not been checked."""
    lookups: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[IpAddress]:
        lookups.append(host)
        return [LOOPBACK]

    assert send(allowed_address(receiver, "/once", 204), receiver.ca_file, resolve) == 204
    assert lookups == [NAME]


def test_a_redirect_is_returned_and_not_followed(receiver: Receiver) -> None:
    assert send(allowed_address(receiver, "/moved", 302, host=HOST), receiver.ca_file) == 302
    assert receiver.requests_to("/elsewhere") == []


def test_proxy_variables_are_ignored(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert send(allowed_address(receiver, "/direct", 200, host=HOST), receiver.ca_file) == 200


def test_a_certificate_for_another_name_or_from_an_unknown_ca_is_rejected(receiver: Receiver) -> None:
    other = allowed_address(receiver, "/other", 200, host="other.example.com")
    with pytest.raises(ReceiverUnreachable):
        send(other, receiver.ca_file, resolver(LOOPBACK))
    with pytest.raises(ReceiverUnreachable):
        send(allowed_address(receiver, "/other", 200, host=HOST), None)
    assert receiver.requests_to("/other") == []


def test_the_next_address_is_tried_when_a_connection_is_refused(receiver: Receiver) -> None:
    closed = ipaddress.ip_address("127.0.0.2")
    address = allowed_address(receiver, "/next", 200)
    assert send(address, receiver.ca_file, resolver(closed, LOOPBACK)) == 200
    with pytest.raises(ReceiverUnreachable):
        send(address, receiver.ca_file, resolver(closed))


def test_an_unknown_name_is_unreachable(receiver: Receiver) -> None:
    with pytest.raises(ReceiverUnreachable):
        send(parse_address("https://no-such-name.invalid", parse_private_hosts("no-such-name.invalid")), None)


def test_a_hanging_receiver_times_out_after_five_seconds(receiver: Receiver) -> None:
    started = time.monotonic()
    with pytest.raises(ReceiverSilent):
        send(allowed_address(receiver, "/hangs", HANG, host=HOST), receiver.ca_file)
    assert TIMEOUT_SECONDS == 5
    assert 4.5 < time.monotonic() - started < 7


def test_the_timeout_includes_the_name_lookup(receiver: Receiver) -> None:
    async def never(host: str, port: int) -> Sequence[IpAddress]:
        await asyncio.sleep(60)
        return []

    with pytest.raises(ReceiverSilent):
        send(allowed_address(receiver, "/never", 200), receiver.ca_file, never, seconds=0.2)
