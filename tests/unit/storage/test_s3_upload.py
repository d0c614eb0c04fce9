"""Test uploads to an S3 client whose calls block or fail."""

import hashlib
from threading import Event
from typing import Any

import pytest

from flows.storage.s3 import PART_BYTES, S3Upload


class Calls:
    """A fake S3 client. `create_multipart_upload` waits for `released`, and fails if `error` is set."""

    def __init__(self, error: Exception | None = None) -> None:
        self.released, self.made = Event(), list[str]()
        self._error = error

    def call(self, method: str, *_: float, **arguments: Any) -> dict[str, Any]:
        if method == "create_multipart_upload":
            assert self.released.wait(10)
            if self._error is not None:
                raise self._error
        self.made.append(method)
        body = arguments.get("Body", b"")
        return {"UploadId": "1", "ETag": f'"{hashlib.md5(body).hexdigest()}"'}  # noqa: S324 - as S3 does

    create = call


def test_rows_are_accepted_while_the_upload_is_created() -> None:
    calls: Any = Calls()
    upload = S3Upload(calls, "bucket", "key")
    upload.write(b"a" * (PART_BYTES + 1))
    assert calls.made == []
    calls.released.set()
    upload.commit()
    parts = ["upload_part", "upload_part"]
    assert calls.made == ["create_multipart_upload", *parts, "complete_multipart_upload"]


def test_a_rejected_creation_is_raised_with_the_next_part_and_leaves_nothing() -> None:
    calls: Any = Calls(PermissionError("AccessDenied"))
    upload = S3Upload(calls, "bucket", "key")
    upload.write(b"a" * PART_BYTES)
    calls.released.set()
    assert upload._creating is not None
    assert isinstance(upload._creating.exception(10), PermissionError)
    with pytest.raises(PermissionError):
        upload.write(b"a" * PART_BYTES)
    upload.abort()
    assert calls.made == ["list_multipart_uploads"]
