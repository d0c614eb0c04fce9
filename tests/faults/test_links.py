"""Test that links work until they expire, and never outlive the credentials that signed them."""

import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from flows.storage.protocol import Link, content_disposition, upload
from flows.storage.s3 import S3Storage
from tests.support.guarantee_table import GuaranteeTable
from tests.support.running_stack import Stack

CONTENT = b"id\r\n1\r\n"
LINK_SECONDS = 900
LAST_LINK_SECONDS, LONG_RUN_LINKS = 4, 10
STS_SECONDS = 240


class Issuer:
    """An issuer of temporary credentials. The AWS SDK reloads the credentials before they expire."""

    def __init__(self, stack: Stack, file: Path) -> None:
        self._stack, self._file = stack, file
        self.expires_at = self.issue(STS_SECONDS)

    def issue(self, seconds: float) -> datetime:
        self.expires_at = (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)
        credentials = {
            "Version": 1,
            "AccessKeyId": self._stack.aws_access_key_id,
            "SecretAccessKey": self._stack.aws_secret_access_key,
            "Expiration": self.expires_at.isoformat(),
        }
        self._file.write_text(json.dumps(credentials))
        return self.expires_at


@pytest.fixture
def issuer(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Issuer:
    config, credentials = tmp_path / "config", tmp_path / "credentials.json"
    config.write_text(f"[default]\ncredential_process = cat {credentials}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    settings = {
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "absent"),
        "AWS_ENDPOINT_URL": stack.s3_endpoint_url,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return Issuer(stack, credentials)


@pytest.fixture
def temporary(issuer: Issuer, stack: Stack) -> S3Storage:
    """Return a storage client that signs links with temporary credentials."""
    return S3Storage(stack.bucket, "links")


def store(storage: S3Storage) -> str:
    key = f"{secrets.token_hex(8)}/1.csv"
    with upload(storage, key) as started:
        started.write(CONTENT)
        started.commit()
    return key


def sign(storage: S3Storage, key: str, seconds: int = LINK_SECONDS) -> Link:
    return storage.sign(key, content_disposition("a.csv"), seconds, datetime.now(UTC))


def status(link: Link) -> int:
    return httpx.get(link.url, trust_env=False).status_code


def wait_until(time_: datetime) -> None:
    time.sleep(max(0.0, (time_ - datetime.now(UTC)).total_seconds()))


def last_and_expired(storage: S3Storage, key: str, seconds: int) -> tuple[int, int]:
    """Fetch a link in its last second and again in the second after it. Return both response statuses."""
    for _ in range(5):
        link = sign(storage, key, seconds)
        wait_until(link.expires_at - timedelta(seconds=1))
        last = status(link)
        if datetime.now(UTC) < link.expires_at:  # a busy machine may respond after the link expires
            break
    wait_until(link.expires_at + timedelta(seconds=1))
    return last, status(link)


def test_a_link_works_until_its_last_second(
    storage: S3Storage, guarantees: GuaranteeTable, is_long_run: bool
) -> None:
    """Regression test. Links used to expire up to a second before the expiry time that the API returned."""
    key = store(storage)
    lives = range(LAST_LINK_SECONDS, LAST_LINK_SECONDS + (LONG_RUN_LINKS if is_long_run else 1))
    with ThreadPoolExecutor(len(lives)) as pool:
        statuses = list(pool.map(lambda seconds: last_and_expired(storage, key, seconds), lives))
    violations = [last for last, _ in statuses if last != httpx.codes.OK]
    expired = {status for _, status in statuses}
    guarantees.add(
        "G8: a link works until it expires",
        len(statuses),
        len(violations),
        "requested within its last second and within the second after it",
        f"the expired link is rejected with {httpx.codes.FORBIDDEN.value}",
        expired == {httpx.codes.FORBIDDEN},
    )
    assert violations == []


def test_a_link_never_outlives_temporary_credentials(
    storage: S3Storage, temporary: S3Storage, issuer: Issuer, guarantees: GuaranteeTable
) -> None:
    """Regression test. A link's lifetime used to be computed before its credentials were renewed."""
    key = store(temporary)
    links = [issue_and_sign(temporary, issuer, key, seconds) for seconds in (STS_SECONDS, 3)]
    wait_until(issuer.expires_at + timedelta(seconds=1))
    links.append(issue_and_sign(temporary, issuer, key, STS_SECONDS))
    lives = [life for life, _ in links]
    violations = [life for life, is_valid in links if not is_valid]
    guarantees.add(
        "G8: a link never outlives the credentials that sign it",
        len(links),
        len(violations),
        f"lives of links with {STS_SECONDS} s, 3 s and again {STS_SECONDS} s left:"
        f" {', '.join(f'{life:.0f} s' for life in lives)}",
        "a link signed with other credentials lives longer",
        sign(storage, key).expires_at > issuer.expires_at,
    )
    assert violations == []
    assert lives[0] > STS_SECONDS - 10
    assert lives[2] > STS_SECONDS - 10


def issue_and_sign(storage: S3Storage, issuer: Issuer, key: str, seconds: float) -> tuple[float, bool]:
    """Sign a link with new credentials. Return its lifetime and whether it is valid.

    A valid link works and does not outlive the credentials.
    """
    issuer.issue(seconds)
    link = sign(storage, key)
    life = (link.expires_at - datetime.now(UTC)).total_seconds()
    return life, link.expires_at <= issuer.expires_at and (life < 1 or status(link) == httpx.codes.OK)
