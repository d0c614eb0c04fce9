"""Open the storage configured by REPORTS_STORAGE_URL."""

from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from flows.storage.folder import FolderStorage
from flows.storage.protocol import Storage
from flows.storage.s3 import S3Storage
from flows.storage.s3_calls import SILENCE_SECONDS


@cache
def open_storage(url: str, public_url: str, silence_seconds: float = SILENCE_SECONDS) -> Storage:
    """Open `s3://bucket/prefix` or `file:///folder`.

    S3 is configured by AWS_* variables. The files of a folder are served by the API. Raises ValueError for
    any other URL.
    """
    parts = urlsplit(url)
    if parts.scheme == "s3" and parts.netloc:
        return S3Storage(parts.netloc, parts.path.strip("/"), silence_seconds)
    if parts.scheme == "file" and parts.path:
        return FolderStorage(Path(parts.path), public_url)
    raise ValueError("REPORTS_STORAGE_URL must be s3://bucket/prefix or file:///folder")
