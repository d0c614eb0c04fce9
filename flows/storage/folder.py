"""Store files in a folder that the workers and the API share.

The API serves the files under /files. Each download requires a signed link.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import urlencode, urlsplit

from flows.storage.orphans import StoredObject
from flows.storage.protocol import Link, LinkRejected

_SIGNING_KEY_FILE = ".signing-key"


class FolderStorage:
    def __init__(self, root: Path, public_url: str) -> None:
        self._root, self._public_url = root, public_url

    def begin_upload(self, key: str) -> "FolderUpload":
        return FolderUpload(self._root / key)

    def remove(self, key: str) -> None:
        (self._root / key).unlink(missing_ok=True)

    def list_objects(self) -> Iterator[StoredObject]:
        for path in self._root.glob("*/[!.]*"):
            yield StoredObject(str(path.relative_to(self._root)), _modified_at(path))

    def list_unfinished(self) -> Iterator[StoredObject]:
        for path in self._root.glob("*/.*"):
            name, _, upload_id = path.name[1:].rpartition(".")
            yield StoredObject(f"{path.parent.name}/{name}", _modified_at(path), upload_id)

    def abort_upload(self, upload: StoredObject) -> None:
        path = self._root / upload.key
        path.with_name(f".{path.name}.{upload.upload_id}").unlink(missing_ok=True)

    def sign(self, key: str, disposition: str, seconds: int, now: datetime) -> Link:
        expires_at = (now + timedelta(seconds=seconds)).replace(microsecond=0)
        expires = str(int(expires_at.timestamp()))
        query = {"expires": expires, "disposition": disposition}
        signature = self._signature(key, expires, disposition)
        return Link(
            f"{self._public_url}/files/{key}?{urlencode(query | {'signature': signature})}", expires_at
        )

    def link_size(self, link: Link) -> int:
        path = urlsplit(link.url).path.partition("/files/")[2]
        try:
            return (self._root / path).stat().st_size
        except FileNotFoundError:
            raise LinkRejected("the file behind the signed link is missing") from None

    def verify_link(self, key: str, expires: str, disposition: str, signature: str, now: datetime) -> Path:
        """Return the path of the file behind a signed link.

        Raises PermissionError if the link is invalid or has expired.
        """
        if not hmac.compare_digest(signature.encode(), self._signature(key, expires, disposition).encode()):
            raise PermissionError("This link is not valid.")
        if int(expires) <= now.timestamp():
            raise PermissionError("This link has expired.")
        return self._root / key

    def warm_up(self) -> None:
        _signing_key(self._root)

    def check(self) -> None:
        _make_private_folder(self._root)
        os.scandir(self._root).close()  # raises NotADirectoryError if the root is a file
        if not os.access(self._root, os.W_OK):
            raise PermissionError(self._root)

    def check_writing(self) -> None:
        self.check()
        with NamedTemporaryFile(dir=self._root, prefix=".check-") as file:
            file.write(b"x")

    def _signature(self, key: str, expires: str, disposition: str) -> str:
        message = "\n".join((key, expires, disposition)).encode()
        return hmac.new(_signing_key(self._root), message, hashlib.sha256).hexdigest()


def _modified_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


@cache
def _signing_key(root: Path) -> bytes:
    """Return the signing key. Create it if it does not exist.

    The key is stored next to the files, because it needs no more protection than they do.
    """
    _make_private_folder(root)
    path = root / _SIGNING_KEY_FILE
    if not path.exists():
        _write_once(path, secrets.token_bytes(32))
    return path.read_bytes()


def _write_once(path: Path, content: bytes) -> None:
    """Write a file atomically, unless another process has already written it."""
    with NamedTemporaryFile(dir=path.parent) as file:  # NamedTemporaryFile creates the file with mode 0600.
        file.write(content)
        file.flush()
        with suppress(FileExistsError):
            os.link(file.name, path)


def _make_private_folder(path: Path) -> None:
    """Create a folder and its missing parents. Only the owner has access to them.

    Existing folders keep their mode.
    """
    if not path.exists():
        _make_private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def _create_private_file(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


class FolderUpload:
    def __init__(self, target: Path) -> None:
        self._target = target
        _make_private_folder(target.parent)
        self._unfinished = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        self._file = os.fdopen(_create_private_file(self._unfinished), "wb")
        self.stored = 0

    def expect(self, estimated_bytes: int) -> None:
        """Do nothing, because a file in a folder is not uploaded in parts."""

    def write(self, data: bytes) -> None:
        self.stored += self._file.write(data)

    def commit(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.link(self._unfinished, self._target)  # Unlike a rename, this fails if the target exists.
        self._unfinished.unlink()

    def abort(self) -> None:
        try:
            self._file.close()
        finally:  # closing writes buffered data, which fails if the disk is full
            self._unfinished.unlink(missing_ok=True)
