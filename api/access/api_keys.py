"""Create, revoke and verify API keys.

The keys are stored as SHA-256 digests in a JSON file, which is read again whenever it changes. The file has
the form {"keys": [{"id", "caller", "sha256", "createdAt", "reports": [...] or null, "pii": true}]}.
"""

import fcntl
import hashlib
import hmac
import json
import logging
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Literal

from api.access.caller import LOCAL_CALLER, NAME, Caller

KEY = re.compile(r"rex_(?P<id>[0-9a-f]{8})_(?P<secret>[A-Za-z0-9_-]{43})")

logger = logging.getLogger(__name__)


class KeyFileUnusable(Exception):
    """Raised if the key file exists but is not valid."""


@dataclass(frozen=True)
class Key:
    id: str
    caller: str
    sha256: str
    createdAt: str
    reports: tuple[str, ...] | None = None
    pii: bool = True

    @property
    def holder(self) -> Caller:
        reports = frozenset(self.reports) if self.reports is not None else None
        return Caller(self.caller, reports, self.pii)


class KeyFile:
    """The keys in a file that other processes may change.

    While the file is not valid, such as when it was written only in part, the last valid keys stay in use.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version: tuple[int, int, int] | None = None
        self._keys: dict[str, Key] | None = None
        self._error: KeyFileUnusable | None = None

    def caller_of(self, token: str) -> Caller | None:
        """Return the caller that the key belongs to, or None if the key is malformed, unknown or revoked."""
        match = KEY.fullmatch(token)
        if match is None:
            return None
        key = self._valid_keys().get(match["id"])
        digest = hashlib.sha256(token.encode()).hexdigest()
        return key.holder if key is not None and hmac.compare_digest(key.sha256, digest) else None

    def keys(self) -> dict[str, Key]:
        """Return all keys by id.

        Raises KeyFileUnusable if the file is not valid.
        """
        keys = self._valid_keys()
        if self._error is not None:
            raise self._error
        return keys

    def check(self) -> Literal["ok", "stale", "failed"]:
        """Return `stale` if the file is not valid and earlier keys are in use, or `failed` without any."""
        self._valid_keys()
        if self._error is None:
            return "ok"
        return "failed" if self._keys is None else "stale"

    def _valid_keys(self) -> dict[str, Key]:
        """Return the last valid keys by id. Read the file again if it has changed."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._version, self._keys, self._error = None, {}, None
            return {}
        version = (status.st_mtime_ns, status.st_size, status.st_ino)
        if version != self._version:
            self._version = version
            try:
                self._keys, self._error = {key.id: key for key in _parse(self._path)}, None
            except KeyFileUnusable as error:
                self._error = error
                logger.error("%s; the last valid keys stay in use", error)
        return self._keys or {}

    def create(self, caller: str, reports: Sequence[str] | None, now: datetime, pii: bool = True) -> str:
        """Create a key and return it. It cannot be read again, because only its digest is stored.

        `pii` decides whether the key gives access to personal data.
        """
        if not NAME.fullmatch(caller):
            raise ValueError("a caller's name is 1 to 200 visible ASCII characters")
        if caller == LOCAL_CALLER:
            raise ValueError("this name is reserved for callers without authentication")
        token = f"rex_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"
        digest = hashlib.sha256(token.encode()).hexdigest()
        allowed = tuple(reports) if reports is not None else None
        key = Key(token[4:12], caller, digest, now.isoformat(), allowed, pii)
        with self._locked():
            self._write([*self.keys().values(), key])
        return token

    def revoke(self, key_id: str) -> bool:
        """Delete the key and return whether it existed."""
        with self._locked():
            keys = self.keys()
            if key_id not in keys:
                return False
            self._write([key for key in keys.values() if key.id != key_id])
            return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the folder, so that no other process writes the file between reading and replacing it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)  # also releases the lock

    def _write(self, keys: Sequence[Key]) -> None:
        """Replace the file atomically. NamedTemporaryFile makes it readable only by its owner."""
        with NamedTemporaryFile("w", dir=self._path.parent, delete=False, encoding="utf-8") as file:
            json.dump({"keys": [asdict(key) for key in keys]}, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(self._path)


def _parse(path: Path) -> list[Key]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [_key(fields) for fields in content["keys"]]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise KeyFileUnusable(f"{path} is not a valid API key file: {error}") from None


def _key(fields: dict[str, object]) -> Key:
    texts = {name: str(fields[name]) for name in ("id", "caller", "sha256", "createdAt")}
    reports = fields.get("reports")
    if reports is not None and not isinstance(reports, list):
        raise ValueError("`reports` must be a list or null")
    pii = fields.get("pii", True)
    if not isinstance(pii, bool):
        raise ValueError("`pii` must be true or false")
    return Key(**texts, reports=tuple(map(str, reports)) if reports is not None else None, pii=pii)
