"""One webhook is sent over real TLS: to which machine, under which name, for how long, and no further."""

import asyncio
import ipaddress
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from flows.errors import AddressForbidden, ReceiverSilent, ReceiverUnreachable
from flows.webhooks.address import Address, IpAddress, parse_address, private_places
from flows.webhooks.sender import SECONDS_IN_ALL, Resolve, post, resolved
from tests.support.webhook_receiver import HANG, HOST, Receiver, running_receiver

LOOPBACK, PUBLIC = ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("93.184.215.14")
MAPPED = ipaddress.ip_address("::ffff:127.0.0.1")
NAME = "hooks.example.com"


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with running_receiver(tmp_path_factory.mktemp("receiver"), (HOST, NAME)) as receiver:
        yield receiver


def named(receiver: Receiver, path: str, *answers: int, host: str = NAME) -> Address:
    """As an operator who has named this receiver would let it be reached."""
    url = receiver.url(path, *answers).replace(HOST, host)
    return parse_address(url, private_places(f"{host}:{receiver.port}"))


def resolving(*found: IpAddress) -> Resolve:
    async def resolve(host: str, port: int) -> Sequence[IpAddress]:
        return found

    return resolve


def sent(
    address: Address, ca_file: Path | None, resolve: Resolve = resolved, seconds: float = SECONDS_IN_ALL
) -> int:
    return asyncio.run(post(address, b"{}", {"webhook-id": "msg_1"}, ca_file, resolve, seconds))


def test_it_goes_to_the_resolved_machine_under_the_certificate_of_the_name(receiver: Receiver) -> None:
    address = named(receiver, "/named?token=a%20b", 200)
    assert sent(address, receiver.ca_file, resolving(LOOPBACK)) == 200
    (received,) = receiver.requests_to("/named")
    assert received.path == "/named?token=a%20b"
    assert received.headers["host"] == f"{NAME}:{receiver.port}"
    assert (received.headers["webhook-id"], received.body) == ("msg_1", b"{}")


@pytest.mark.parametrize("found", [[LOOPBACK], [PUBLIC, LOOPBACK], [MAPPED]])
def test_a_public_name_that_resolves_to_a_private_address_is_not_connected_to(
    receiver: Receiver, found: list[IpAddress]
) -> None:
    """Even when only one of them is private: whoever answers may choose which is used."""
    public = replace(named(receiver, "/private", 200), private=False)
    before = len(receiver.received)
    with pytest.raises(AddressForbidden):
        sent(public, receiver.ca_file, resolving(*found))
    assert len(receiver.received) == before


def test_a_name_is_resolved_once(receiver: Receiver) -> None:
    """Or the second answer could be another than the one that was looked at."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[IpAddress]:
        asked.append(host)
        return [LOOPBACK]

    assert sent(named(receiver, "/once", 204), receiver.ca_file, resolve) == 204
    assert asked == [NAME]


def test_a_redirect_is_an_answer_and_is_not_followed(receiver: Receiver) -> None:
    assert sent(named(receiver, "/moved", 302, host=HOST), receiver.ca_file) == 302
    assert receiver.requests_to("/elsewhere") == []


def test_the_environments_proxy_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert sent(named(receiver, "/direct", 200, host=HOST), receiver.ca_file) == 200


def test_a_certificate_for_another_name_or_of_an_unknown_authority_is_not_trusted(receiver: Receiver) -> None:
    other = named(receiver, "/other", 200, host="other.example.com")
    with pytest.raises(ReceiverUnreachable):
        sent(other, receiver.ca_file, resolving(LOOPBACK))
    with pytest.raises(ReceiverUnreachable):
        sent(named(receiver, "/other", 200, host=HOST), None)
    assert receiver.requests_to("/other") == []


def test_where_nothing_listens_the_next_address_of_the_name_is_tried(receiver: Receiver) -> None:
    nobody = ipaddress.ip_address("127.0.0.2")
    address = named(receiver, "/next", 200)
    assert sent(address, receiver.ca_file, resolving(nobody, LOOPBACK)) == 200
    with pytest.raises(ReceiverUnreachable):
        sent(address, receiver.ca_file, resolving(nobody))


def test_an_unknown_name_is_unreachable(receiver: Receiver) -> None:
    with pytest.raises(ReceiverUnreachable):
        sent(parse_address("https://no-such-name.invalid", private_places("no-such-name.invalid")), None)


def test_a_receiver_that_hangs_is_given_up_after_five_seconds_in_all(receiver: Receiver) -> None:
    started = time.monotonic()
    with pytest.raises(ReceiverSilent):
        sent(named(receiver, "/hangs", HANG, host=HOST), receiver.ca_file)
    assert SECONDS_IN_ALL == 5
    assert 4.5 < time.monotonic() - started < 7


def test_a_name_server_that_hangs_counts_too(receiver: Receiver) -> None:
    async def never(host: str, port: int) -> Sequence[IpAddress]:
        await asyncio.sleep(60)
        return []

    with pytest.raises(ReceiverSilent):
        sent(named(receiver, "/never", 200), receiver.ca_file, never, seconds=0.2)
