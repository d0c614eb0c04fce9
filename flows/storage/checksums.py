"""Check that the storage has received the bytes that were sent.

Each request contains the MD5 of its body, so that the storage can reject a damaged body. Some servers do not
check the MD5, so the ETag in the response is also compared.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

_MD5 = re.compile(r"[0-9a-f]{32}")
# If the encryption header has this value, the storage uses its own key, and the ETags are still MD5s.
_OWN_KEY = "AES256"


class CorruptedUpload(OSError):
    """The body was damaged on the way to the storage server."""


def md5(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()


def content_md5(digest: bytes) -> str:
    """Return the value of the Content-MD5 header."""
    return b64encode(digest).decode()


def check_etag(response: Mapping[str, Any], digest: bytes) -> None:
    """Raise CorruptedUpload if the ETag is an MD5 other than `digest`.

    Objects encrypted with SSE-KMS or a customer's key have ETags that are not MD5s. These are not compared.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
    """
    etag = str(response.get("ETag", "")).strip('"').lower()
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if _MD5.fullmatch(etag) and not _has_other_key(headers) and etag != digest.hex():
        raise CorruptedUpload(f"the storage has stored {etag}, but {digest.hex()} was sent")


def _has_other_key(headers: Mapping[str, str]) -> bool:
    encryption = {name.lower(): value for name, value in headers.items() if "encryption" in name.lower()}
    return any(value != _OWN_KEY or "customer" in name for name, value in encryption.items())
