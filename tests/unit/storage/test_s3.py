import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import s3fs
from botocore.awsrequest import AWSPreparedRequest

from flows.errors import StorageUnavailable
from flows.storage.protocol import Link, LinkRejected, storage_errors
from flows.storage.s3 import PART_BYTES, S3Storage, part_bytes
from tests.support.clock import NOON

GIB, TIB = 1 << 30, 1 << 40
MAX_PARTS, MAX_PART, MAX_OBJECT = 10_000, 5 * GIB, 5 * TIB


class NotSent(Exception):
    """Raised instead of sending the request."""


@pytest.mark.parametrize("size", [0, 1, GIB, 80 * GIB, TIB, MAX_OBJECT])
def test_a_file_of_any_size_has_few_enough_parts(size: int) -> None:
    assert part_bytes(size) * MAX_PARTS >= size * 1.25
    assert PART_BYTES <= part_bytes(size) <= MAX_PART
    assert part_bytes(min(size, 60 * GIB)) == PART_BYTES


@pytest.fixture(autouse=True)
def own_client() -> Iterator[None]:
    """Clear the instance cache of s3fs. Otherwise, tests would share one instance."""
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize(
    ("scheme", "is_hashed"), [("http", True), ("https", False)], ids=["without TLS", "over TLS"]
)
def test_payload_signing_is_off_only_over_tls(
    monkeypatch: pytest.MonkeyPatch, scheme: str, is_hashed: bool
) -> None:
    for name, value in {
        "ACCESS_KEY_ID": "a",
        "SECRET_ACCESS_KEY": "b",
        "DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"{scheme}://127.0.0.1:9")
    storage = S3Storage("bucket", "")
    sent: list[str] = []

    def record(request: AWSPreparedRequest, **_: Any) -> None:
        digest = request.headers["X-Amz-Content-SHA256"]
        sent.append(digest.decode() if isinstance(digest, bytes) else digest)
        raise NotSent

    upload = storage.begin_upload("key")
    storage._s3.s3.meta.events.register("before-send.s3.PutObject", record)
    upload.write(b"content")
    with pytest.raises(NotSent):
        upload.commit()
    assert (sent[0] == "UNSIGNED-PAYLOAD") is not is_hashed


class BrokenStorage(BaseHTTPRequestHandler):
    """Responds with the status that is the last part of the path."""

    def do_GET(self) -> None:
        self.send_error(int(self.path.partition("?")[0].rpartition("/")[2]))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def broken_storage() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), BrokenStorage) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("is_running", [True, False], ids=["answers 500", "does not answer"])
def test_a_link_that_cannot_be_read_does_not_reach_the_log(
    broken_storage: str, is_running: bool, caplog: pytest.LogCaptureFixture
) -> None:
    url = broken_storage if is_running else "http://127.0.0.1:1"
    link = Link(f"{url}/exports/1.csv/500?X-Amz-Signature=9f86d081884c7d65", NOON)
    with pytest.raises(StorageUnavailable) as failed, storage_errors():
        S3Storage("exports", "").link_size(link)
    logged = caplog.text + "".join(traceback.format_exception(failed.value))
    assert "the signed link" in logged
    assert "Signature" not in logged
    assert "1.csv" not in logged


@pytest.mark.parametrize(
    ("status", "is_rejected"),
    [(403, True), (404, True), (410, True), (408, False), (429, False), (500, False), (503, False)],
)
def test_only_a_definite_response_rejects_a_link(broken_storage: str, status: int, is_rejected: bool) -> None:
    with pytest.raises(OSError, match=str(status)) as failed:
        S3Storage("exports", "").link_size(Link(f"{broken_storage}/{status}", NOON))
    assert isinstance(failed.value, LinkRejected) == is_rejected
