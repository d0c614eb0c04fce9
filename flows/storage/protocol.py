"""Where finished files live: whole under their key, or absent."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from flows.errors import ExportError, Internal, StorageDenied, StorageUnavailable
from flows.storage.orphans import StoredObject

CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "gz": "application/gzip", "zip": "application/zip"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Link:
    url: str
    expires_at: datetime


class Upload(Protocol):
    """One object in the making: nothing is to be seen under its key before `commit`."""

    @property
    def stored(self) -> int:
        """Bytes that the storage has acknowledged."""

    def write(self, data: bytes) -> None: ...
    def commit(self) -> None: ...
    def abort(self) -> None: ...


class Storage(Protocol):
    def begin_upload(self, key: str) -> Upload: ...
    def remove(self, key: str) -> None: ...
    def sign(self, key: str, disposition: str, seconds: int, now: datetime) -> Link: ...
    def link_size(self, link: Link) -> int:
        """How much a holder of the link would get; OSError when it does not answer."""

    def list_objects(self) -> Iterator[StoredObject]: ...
    def list_unfinished(self) -> Iterator[StoredObject]:
        """Uploads that were begun and neither committed nor aborted."""

    def abort_upload(self, upload: StoredObject) -> None: ...
    def warm_up(self) -> None:
        """Opens what the first call would have to open."""

    def check(self) -> None:
        """Raises when files could not be stored now."""


def object_key(job_id: str, attempt: int, file_name: str) -> str:
    return f"{job_id}/{attempt}{extension(file_name)}"


def extension(file_name: str) -> str:
    """`.csv`, `.csv.gz` or `.zip`."""
    return next(each for each in (".csv.gz", ".zip", ".csv") if file_name.endswith(each))


def content_type(key: str) -> str:
    return CONTENT_TYPES.get(key.rpartition(".")[2], "application/octet-stream")


def content_disposition(file_name: str, title: str | None = None) -> str:
    """`file_name` is ASCII; `title` is the caller's own words and travels percent-encoded (RFC 6266)."""
    encoded = f"; filename*=UTF-8''{quote(title + extension(file_name), safe='')}" if title else ""
    return f'attachment; filename="{file_name}"{encoded}'


@contextmanager
def upload(storage: Storage, key: str) -> Iterator[Upload]:
    """Whatever ends the block before `commit` leaves nothing behind."""
    with storage_errors():
        made = storage.begin_upload(key)
    try:
        with storage_errors():
            yield made
    except BaseException:
        _abort(made)
        raise


def _abort(made: Upload) -> None:
    try:
        made.abort()
    except (OSError, BotoCoreError, ClientError):
        logger.warning("an unfinished upload could not be removed; the sweep will", exc_info=True)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turns the storage's errors into the export's own; their text goes to the log only."""
    try:
        yield
    except (OSError, BotoCoreError, ClientError, TimeoutError) as error:
        logger.exception("the storage failed")
        raise _classify(error) from error


def _classify(error: BaseException) -> ExportError:
    if isinstance(error, PermissionError):
        return StorageDenied()
    if isinstance(error, FileExistsError):
        return Internal()
    return StorageUnavailable()
