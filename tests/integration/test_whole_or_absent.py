"""Test that a real S3 server stores a complete object or nothing, no matter how the upload ends."""

import hashlib
import random
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from flows.errors import ExportError
from flows.storage.protocol import content_disposition, upload
from flows.storage.s3 import PART_BYTES, S3Storage
from tests.support.running_stack import Stack

SMALL, ONE_PART, MANY_PARTS = 1000, PART_BYTES, 2 * PART_BYTES + 1000
SIZES = {"small": SMALL, "one part": ONE_PART, "many parts": MANY_PARTS}
BLOCK_BYTES = 1 << 20


class SourceDied(Exception):
    pass


@pytest.fixture
def key() -> str:
    return f"{secrets.token_hex(8)}/1.csv"


@pytest.fixture(params=SIZES.values(), ids=SIZES)
def content(request: pytest.FixtureRequest) -> bytes:
    return random.Random(0).randbytes(request.param)  # noqa: S311 - the same bytes in every run


def write(storage: S3Storage, key: str, content: bytes, *, dies: bool = False) -> None:
    with upload(storage, key) as pending:
        for start in range(0, len(content), BLOCK_BYTES):
            pending.write(content[start : start + BLOCK_BYTES])
        if dies:
            raise SourceDied
        pending.commit()


def stored(s3: Any, stack: Stack, key: str) -> list[str]:
    """Return the objects and unfinished uploads whose keys start with `key`."""
    prefix = {"Bucket": stack.bucket, "Prefix": f"tests/{key}"}
    objects = s3.list_objects_v2(**prefix).get("Contents", [])
    uploads = s3.list_multipart_uploads(**prefix).get("Uploads", [])
    return [item["Key"] for item in objects] + [f"upload of {item['Key']}" for item in uploads]


def test_a_committed_upload_can_be_read_back_byte_for_byte(
    storage: S3Storage, s3: Any, stack: Stack, key: str, content: bytes
) -> None:
    write(storage, key, content)
    response = s3.get_object(Bucket=stack.bucket, Key=f"tests/{key}")
    assert hashlib.sha256(response["Body"].read()).digest() == hashlib.sha256(content).digest()
    assert response["ContentType"] == "text/csv; charset=utf-8"
    assert stored(s3, stack, key) == [f"tests/{key}"]


def test_an_exception_during_the_upload_leaves_nothing(
    storage: S3Storage, s3: Any, stack: Stack, key: str, content: bytes
) -> None:
    with pytest.raises(SourceDied):
        write(storage, key, content, dies=True)
    assert stored(s3, stack, key) == []


def test_an_unfinished_upload_is_visible_to_these_tests(
    storage: S3Storage, s3: Any, stack: Stack, key: str
) -> None:
    """Control for the tests above: `stored` does report an unfinished upload."""
    unfinished = storage.begin_upload(key)
    unfinished.write(bytes(MANY_PARTS))
    assert stored(s3, stack, key) == [f"upload of tests/{key}"]
    unfinished.abort()
    assert stored(s3, stack, key) == []


def test_a_second_writer_of_a_key_fails_and_changes_nothing(
    storage: S3Storage, s3: Any, stack: Stack, key: str, content: bytes
) -> None:
    write(storage, key, content)
    with pytest.raises(ExportError):
        write(storage, key, content[::-1])
    assert s3.get_object(Bucket=stack.bucket, Key=f"tests/{key}")["Body"].read() == content
    assert stored(s3, stack, key) == [f"tests/{key}"]


def test_two_concurrent_writers_leave_one_complete_object(
    storage: S3Storage, s3: Any, stack: Stack, key: str, content: bytes
) -> None:
    first, second = storage.begin_upload(key), storage.begin_upload(key)
    first.write(content)
    second.write(content[::-1])
    first.commit()
    with pytest.raises(FileExistsError):
        second.commit()
    second.abort()
    assert s3.get_object(Bucket=stack.bucket, Key=f"tests/{key}")["Body"].read() == content
    assert stored(s3, stack, key) == [f"tests/{key}"]


def test_a_link_works_until_it_expires(storage: S3Storage, s3: Any, stack: Stack, key: str) -> None:
    write(storage, key, b"a,b\n")
    now = datetime.now(UTC)
    link = storage.sign(key, content_disposition("a.csv"), 3, now)
    assert link.expires_at == now.replace(microsecond=0) + timedelta(seconds=3)
    assert storage.link_size(link) == 4
    time.sleep(4.1)  # S3 checks link expiry in whole seconds.
    assert httpx.get(link.url).status_code == httpx.codes.FORBIDDEN
    with pytest.raises(OSError, match="returned 403"):
        storage.link_size(link)
