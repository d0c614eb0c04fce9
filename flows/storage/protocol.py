"""Define the Storage protocol. An object is stored either completely or not at all."""

import errno
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.parsers import ResponseParserError

from flows.errors import (
    ExportError,
    StorageCorrupted,
    StorageDenied,
    StorageFull,
    StorageRejected,
    StorageTimeout,
    StorageUnavailable,
)
from flows.formats.registry import extension_of
from flows.storage.checksums import CorruptedUpload
from flows.storage.orphans import StoredObject

# Error codes that MinIO and Ceph return when the storage is full.
_FULL = ("XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "InsufficientStorage")

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_TEMPORARY = ("OperationAborted", "RequestTimeout", "SlowDown", "TooManyRequests", "408", "409", "429")
# These codes mean that the body does not match the Content-MD5 header or the hash in the signature.
_CORRUPTED = ("BadDigest", "XAmzContentSHA256Mismatch")
_CODE = re.compile(r"[A-Za-z0-9.]{1,60}")
# OSError includes time-outs. A truncated response, or one from a proxy, may not be valid XML.
_ERRORS = (OSError, BotoCoreError, ClientError, ResponseParserError)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Link:
    url: str
    expires_at: datetime


class LinkRejected(OSError):
    """The storage has no file behind a signed link, or denies access to it."""


class Upload(Protocol):
    """An upload in progress. The object becomes visible on `commit`."""

    @property
    def stored(self) -> int:
        """The number of bytes that the storage has acknowledged."""

    def expect(self, estimated_bytes: int) -> None:
        """Prepare for a file of about this size. Call this before the first write."""

    def write(self, data: bytes) -> None: ...
    def commit(self) -> None: ...
    def abort(self) -> None: ...


class Storage(Protocol):
    def begin_upload(self, key: str) -> Upload: ...
    def remove(self, key: str) -> None: ...
    def sign(self, key: str, disposition: str, seconds: int, now: datetime) -> Link: ...
    def link_size(self, link: Link) -> int:
        """Return the size of the file behind the link.

        Raises LinkRejected if the storage responds that it has no such file or denies access to it, and other
        types of OSError if the storage fails.
        """

    def list_objects(self) -> Iterator[StoredObject]: ...
    def list_unfinished(self) -> Iterator[StoredObject]:
        """Yield uploads that were neither committed nor aborted."""

    def abort_upload(self, upload: StoredObject) -> None: ...
    def warm_up(self) -> None:
        """Do the one-time setup that would otherwise delay the first call to the storage."""

    def check(self) -> None:
        """Raise an error if the storage does not respond. This check may not detect missing permissions."""

    def check_writing(self) -> None:
        """Write and remove a small object. Raises an error if files cannot be stored."""


def object_key(job_id: str, attempt: int, file_name: str) -> str:
    return f"{job_id}/{attempt}{extension_of(file_name)}"


def content_disposition(file_name: str, title: str | None = None) -> str:
    """Build the Content-Disposition header.

    `file_name` is ASCII. `title` may be any text and is percent-encoded (RFC 6266).
    """
    encoded = f"; filename*=UTF-8''{quote(title + extension_of(file_name), safe='')}" if title else ""
    return f'attachment; filename="{file_name}"{encoded}'


@contextmanager
def upload(storage: Storage, key: str) -> Iterator[Upload]:
    """Yield an upload. The block writes the data and must call `commit`.

    If the block raises an exception, the upload is aborted and nothing is stored.
    """
    with storage_errors():
        started = storage.begin_upload(key)
    try:
        with storage_errors():
            yield started
    except BaseException:
        _abort(started)
        raise


def _abort(started: Upload) -> None:
    try:
        started.abort()
    except _ERRORS:
        logger.warning("could not abort an upload; the sweep will remove it", exc_info=True)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Convert storage errors to ExportError.

    The original messages appear only in the log.
    """
    try:
        yield
    except _ERRORS as error:
        logger.exception("the storage failed")
        raise _classify(error) from error


def _classify(error: BaseException) -> ExportError:
    if isinstance(error, PermissionError):
        return StorageDenied()
    if isinstance(error, TimeoutError):
        return StorageTimeout()
    if isinstance(error, CorruptedUpload):
        return StorageCorrupted()
    if isinstance(error, NoCredentialsError):
        return StorageDenied("There are no credentials for the file storage.")
    if _is_full(error):
        return StorageFull()
    code = _rejection(error)
    if code in _CORRUPTED:
        return StorageCorrupted()
    return StorageUnavailable() if code is None else StorageRejected.with_code(code)


def _rejection(error: BaseException) -> str | None:
    """Return the error code if the storage would reject the same request again, else None."""
    cause = error if isinstance(error, ClientError) else error.__cause__
    if not isinstance(cause, ClientError) or isinstance(error, FileExistsError):
        return None
    code = str(cause.response["Error"].get("Code", ""))
    status = cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    is_final = 400 <= status < 500 or status == HTTPStatus.NOT_IMPLEMENTED
    return code if is_final and code not in _TEMPORARY and _CODE.fullmatch(code) else None


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    cause = error if isinstance(error, ClientError) else error.__cause__
    if not isinstance(cause, ClientError):
        return False
    status = cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status == HTTPStatus.INSUFFICIENT_STORAGE or cause.response["Error"].get("Code") in _FULL
