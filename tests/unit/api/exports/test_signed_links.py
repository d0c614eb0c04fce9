import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from api.exports import signed_links
from api.exports.signed_links import SignedLinks
from flows.storage.folder import FolderStorage
from flows.storage.protocol import Link, object_key
from tests.support.clock import Clock
from tests.support.prefect_job import JOB_ID, RECEIPT, WHOLE, job

HOUR = 3600
DONE = job("COMPLETED", WHOLE)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path, "https://reports.example.com")


class ShortLived(FolderStorage):
    """Storage whose signing credential expires at `credential_expires_at`."""

    credential_expires_at: datetime

    def sign(self, key: str, disposition: str, seconds: int, now: datetime) -> Link:
        return super().sign(
            key, disposition, min(seconds, int((self.credential_expires_at - now).total_seconds())), now
        )


def current_link(links: SignedLinks) -> Link:
    return asyncio.run(links.link_to(DONE))


def test_a_link_is_reused_until_less_than_15_minutes_are_left(storage: FolderStorage, clock: Clock) -> None:
    links = SignedLinks(storage, HOUR, clock)
    first = current_link(links)
    clock.move(minutes=45)
    assert current_link(links) == first
    clock.move(seconds=1)
    fresh = current_link(links)
    assert fresh.url != first.url
    assert fresh.expires_at == clock.now + timedelta(hours=1)


def test_concurrent_polls_share_one_signature(
    storage: FolderStorage, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed: list[Link] = []
    sign = storage.sign

    def count(*arguments: Any) -> Link:
        signed.append(sign(*arguments))
        return signed[-1]

    monkeypatch.setattr(storage, "sign", count)
    links = SignedLinks(storage, HOUR, clock)

    async def poll() -> list[Link]:
        return await asyncio.gather(*(links.link_to(DONE) for _ in range(500)))

    assert asyncio.run(poll()) == signed * 500
    assert len(signed) == 1


def test_a_link_always_has_15_minutes_left(storage: FolderStorage, clock: Clock) -> None:
    links = SignedLinks(storage, HOUR, clock)
    remaining = []
    for _ in range(200):
        remaining.append(current_link(links).expires_at - clock.now)
        clock.move(seconds=97)
    assert min(remaining) >= timedelta(minutes=15)


def test_links_are_signed_for_the_public_address_and_files_removed_at_the_internal_one(
    tmp_path: Path, clock: Clock
) -> None:
    storage = FolderStorage(tmp_path, "http://storage.internal")
    links = SignedLinks(storage, HOUR, clock, FolderStorage(tmp_path / "other", "https://files.example.com"))
    file = tmp_path / object_key(JOB_ID, RECEIPT.attempt, RECEIPT.name)
    file.parent.mkdir()
    file.touch()
    assert current_link(links).url.startswith("https://files.example.com/")
    assert asyncio.run(links.fresh_link_to(DONE)).url.startswith("https://files.example.com/")
    asyncio.run(links.remove_file(DONE))
    assert not file.exists()


def test_a_link_expires_no_later_than_its_credential(tmp_path: Path, clock: Clock) -> None:
    storage = ShortLived(tmp_path, "")
    storage.credential_expires_at = clock.now + timedelta(minutes=4)
    links = SignedLinks(storage, HOUR, clock)
    first = current_link(links)
    assert first.expires_at == storage.credential_expires_at
    clock.move(minutes=1)
    assert current_link(links).expires_at == storage.credential_expires_at
    storage.credential_expires_at = clock.now + timedelta(hours=12)  # The credential has been renewed.
    assert current_link(links).expires_at == clock.now + timedelta(hours=1)


def test_a_fresh_link_is_signed_on_each_request(storage: FolderStorage, clock: Clock) -> None:
    links = SignedLinks(storage, HOUR, clock)
    first = asyncio.run(links.fresh_link_to(DONE))
    clock.move(seconds=1)
    assert asyncio.run(links.fresh_link_to(DONE)).url != first.url


def test_the_most_recently_used_links_are_cached(
    storage: FolderStorage, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signed_links, "MAX_CACHED", 2)
    links = SignedLinks(storage, HOUR, clock)

    def url(number: int) -> str:
        done = job("COMPLETED", WHOLE, id=f"{number}{JOB_ID[1:]}")
        return asyncio.run(links.link_to(done)).url

    first, second = url(1), url(2)
    clock.move(seconds=1)
    assert url(1) == first
    url(3)
    assert url(1) == first
    assert url(2) != second


def test_a_link_names_object_and_file(storage: FolderStorage, clock: Clock) -> None:
    parts = urlsplit(current_link(SignedLinks(storage, HOUR, clock)).url)
    assert parts.path == f"/files/{JOB_ID}/1.csv"
    assert parse_qs(parts.query)["disposition"] == [
        'attachment; filename="survey-responses_668b6fa3b8d693cd865b44bb_2024-07-19_2024-07-26.csv"'
    ]
