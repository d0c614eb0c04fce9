"""Open the storage configured by REPORTS_STORAGE_URL."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from flows.storage.folder import FolderStorage
from flows.storage.protocol import Storage
from flows.storage.s3 import S3Storage
from flows.storage.s3_calls import SILENCE_SECONDS

_FORM = "must be s3://bucket/prefix or file:///folder"
_SPECIAL = "#?%\\"  # `#` and `?` begin other parts of a URL. `%` and `\` escape characters.
_EMPTY_PARTS = {"", ".", ".."}
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


@cache
def open_storage(
    url: str,
    public_url: str,
    silence_seconds: float = SILENCE_SECONDS,
    s3_endpoint_url: str | None = None,
) -> Storage:
    """Open the storage at `s3://bucket/prefix` or `file:///folder`.

    Raises ValueError for any other URL. The AWS_* environment variables configure S3. If `s3_endpoint_url` is
    set, it replaces AWS_ENDPOINT_URL. Files in a folder are served by the API.
    """
    parts = urlsplit(check_storage_url(url))
    if parts.scheme == "s3":
        return S3Storage(parts.netloc, parts.path.strip("/"), silence_seconds, s3_endpoint_url)
    return FolderStorage(Path(parts.path), public_url)


def check_storage_url(url: str) -> str:
    """Return the URL, or raise ValueError if it is malformed or ambiguous."""
    scheme, separator, place = url.partition("://")
    if not separator or scheme not in ("s3", "file") or not place:
        raise ValueError(_FORM)
    if any(character in _SPECIAL or not character.isprintable() for character in place):
        raise ValueError("must not contain #, ?, %, \\ or control characters")
    if scheme == "s3":
        _check_bucket(*place.partition("/")[::2])
    elif not place.startswith("/"):
        raise ValueError(_FORM)
    return url


def _check_bucket(bucket: str, prefix: str) -> None:
    if not _BUCKET.fullmatch(bucket):
        raise ValueError("must name a bucket of letters, digits, dots, hyphens and underscores")
    if prefix.strip("/") and not _EMPTY_PARTS.isdisjoint(prefix.strip("/").split("/")):
        raise ValueError("must have a prefix without the segments . and .. and without empty ones")
