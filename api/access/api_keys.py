"""Create, revoke and verify API keys.

The keys are stored as SHA-256 digests in a JSON file. The file is read again whenever it changes. Its format
is described in flows/access/stored_key.py.
"""

import fcntl
import hashlib
import hmac
import json
import logging
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Literal

from api.access.caller import LOCAL_CALLER, NAME, Caller
from flows import audit
from flows.access.stored_key import Key, KeyFileUnusable, read_keys

__all__ = ["Key", "KeyFile", "KeyFileUnusable"]

KEY = re.compile(r"rex_(?P<id>[0-9a-f]{8})_(?P<secret>[A-Za-z0-9_-]{43})")

logger = logging.getLogger(__name__)


class KeyFile:
    """API keys in a file that other processes may change.

    While the file is invalid, for example because it is only partly written, the last valid keys stay in use.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version: tuple[int, int, int] | None = None
        self._keys: dict[str, Key] | None = None
        self._callers: frozenset[str] = frozenset()
        self._error: KeyFileUnusable | None = None

    def caller_of(self, token: str) -> Caller | None:
        """Return the caller that the key belongs to, or None if the key is malformed, unknown or revoked."""
        match = KEY.fullmatch(token)
        if match is None:
            return None
        key = self._valid_keys().get(match["id"])
        digest = hashlib.sha256(token.encode()).hexdigest()
        return _holder(key) if key is not None and hmac.compare_digest(key.sha256, digest) else None

    def find(self, key_id: str) -> Caller | None:
        """Return the caller of the key with this id, or None if the key is unknown or revoked."""
        key = self._valid_keys().get(key_id)
        return _holder(key) if key is not None else None

    def is_caller(self, name: str) -> bool:
        """Return whether there is a key for a caller with this name."""
        self._valid_keys()
        return name in self._callers

    def keys(self) -> dict[str, Key]:
        """Return a dictionary that maps each id to its key.

        Raises KeyFileUnusable if the file is not valid.
        """
        keys = self._valid_keys()
        if self._error is not None:
            raise self._error
        return keys

    def check(self) -> Literal["ok", "stale", "failed"]:
        """Return `ok` unless the file is invalid.

        For an invalid file, return `stale` if the last valid keys are still in use, or `failed` if there are
        none.
        """
        self._valid_keys()
        if self._error is None:
            return "ok"
        return "failed" if self._keys is None else "stale"

    def _valid_keys(self) -> dict[str, Key]:
        """Read the file again if it has changed. Return the last valid keys, keyed by id."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._version = None
            self._use({})
            return {}
        version = (status.st_mtime_ns, status.st_size, status.st_ino)
        if version != self._version:
            self._version = version
            try:
                self._use({key.id: key for key in read_keys(self._path)})
            except KeyFileUnusable as error:
                self._error = error
                logger.error("%s; the last valid keys stay in use", error)
        return self._keys or {}

    def _use(self, keys: dict[str, Key]) -> None:
        if self._keys is not None:
            _audit_changes(self._keys, keys)
        self._keys, self._error = keys, None
        self._callers = frozenset(key.caller for key in keys.values())

    def create(
        self,
        caller: str,
        reports: Sequence[str] | None,
        now: datetime,
        pii: bool = True,
        allow: Mapping[str, Sequence[str]] | None = None,
    ) -> str:
        """Create a key and return it. It cannot be read again, because only its digest is stored.

        `pii` decides whether the key gives access to personal data. `allow` restricts the rows. It maps each
        claim to its allowed values.
        """
        if not NAME.fullmatch(caller):
            raise ValueError("a caller's name must consist of 1 to 200 visible ASCII characters")
        if caller == LOCAL_CALLER:
            raise ValueError("this name is reserved for callers without authentication")
        token = f"rex_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"
        digest = hashlib.sha256(token.encode()).hexdigest()
        permitted = tuple(reports) if reports is not None else None
        claims = {name: tuple(values) for name, values in allow.items()} if allow is not None else None
        key = Key(token[4:12], caller, digest, now.isoformat(), permitted, pii, claims)
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
        """Lock the folder, so that no other process writes the file while this one changes it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)  # also releases the lock

    def _write(self, keys: Sequence[Key]) -> None:
        """Replace the file atomically.

        NamedTemporaryFile creates the new file so that only the owner can read it.
        """
        with NamedTemporaryFile("w", dir=self._path.parent, delete=False, encoding="utf-8") as file:
            json.dump({"keys": [asdict(key) for key in keys]}, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(self._path)


def _audit_changes(before: Mapping[str, Key], after: Mapping[str, Key]) -> None:
    """Log the keys that another program has added to the file or removed from it."""
    for action, keys, others in (("key.added", after, before), ("key.removed", before, after)):
        for key in (key for key_id, key in keys.items() if others.get(key_id) != key):
            rights = {"reports": key.reports, "pii": key.pii, "allow": key.allow}
            audit.record(action, "done", key=key.id, caller=key.caller, **rights)


def _holder(key: Key) -> Caller:
    reports = frozenset(key.reports) if key.reports is not None else None
    return Caller(key.caller, reports, key.pii, key.claims, key_id=key.id)
