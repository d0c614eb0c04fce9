import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.parsers import ResponseParserError

from flows.errors import (
    ExportError,
    Incomplete,
    StorageDenied,
    StorageFull,
    StorageTimeout,
    StorageUnavailable,
)
from flows.storage.folder import FolderStorage
from flows.storage.from_url import check_storage_url, open_storage
from flows.storage.protocol import (
    LinkRejected,
    Upload,
    content_disposition,
    object_key,
    storage_errors,
    upload,
)
from tests.support.clock import NOON, Clock

KEY = object_key("899e1228-d7b8-40fc-8490-70e6f1efb338", 1, "x.csv")
FILE = 'attachment; filename="x.csv"'


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path, "https://reports.example.com")


def files(folder: Path) -> dict[str, bytes]:
    """Return the contents of all files in the folder except the signing key."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".signing-key"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_the_object_key_contains_job_and_attempt() -> None:
    assert KEY == "899e1228-d7b8-40fc-8490-70e6f1efb338/1.csv"


def test_a_file_appears_complete_on_commit(storage: FolderStorage, tmp_path: Path) -> None:
    with upload(storage, KEY) as started:
        started.write(b"id,name\n")
        started.write(b"1,a\n")
        assert KEY not in files(tmp_path)
        started.commit()
    assert files(tmp_path) == {KEY: b"id,name\n1,a\n"}


def test_files_and_their_folders_are_for_the_owner_only(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        with upload(FolderStorage(tmp_path / "new" / "root", ""), KEY) as started:
            started.write(b"1,a\n")
            started.commit()
    finally:
        os.umask(previous)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new").rglob("*")}
    assert modes == {"root": 0o700, KEY.partition("/")[0]: 0o700, "1.csv": 0o600}
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def _stop() -> None:
    raise KeyboardInterrupt


def _incomplete() -> None:
    raise Incomplete


def _disk_full() -> None:
    raise OSError(28, "No space left on device", "/srv/exports")


@pytest.mark.parametrize(
    ("fail", "error"),
    [(_stop, KeyboardInterrupt), (_incomplete, Incomplete), (_disk_full, StorageFull)],
)
def test_an_interrupted_upload_leaves_nothing(
    storage: FolderStorage, tmp_path: Path, fail: Callable[[], None], error: type[BaseException]
) -> None:
    def write_half() -> None:
        with upload(storage, KEY) as started:
            started.write(b"half")
            fail()

    with pytest.raises(error):
        write_half()
    assert files(tmp_path) == {}


def test_an_upload_that_is_not_committed_publishes_nothing(storage: FolderStorage, tmp_path: Path) -> None:
    with upload(storage, KEY) as started:
        started.write(b"half")
        started.abort()
    assert files(tmp_path) == {}


def test_a_second_upload_of_the_same_key_fails(storage: FolderStorage, tmp_path: Path) -> None:
    def write(content: bytes) -> None:
        with upload(storage, KEY) as started:
            started.write(content)
            started.commit()

    write(b"first")
    with pytest.raises(StorageUnavailable):
        write(b"second")
    assert files(tmp_path) == {KEY: b"first"}


def test_concurrent_uploads_publish_one_file(storage: FolderStorage, tmp_path: Path) -> None:
    one, other = storage.begin_upload(KEY), storage.begin_upload(KEY)
    one.write(b"one")
    other.write(b"other")
    other.commit()
    with pytest.raises(FileExistsError):
        one.commit()
    one.abort()
    assert files(tmp_path) == {KEY: b"other"}


def client_error(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "PutObject")


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (PermissionError("/srv/exports"), StorageDenied),
        # If the call was repeated, its first try may have created the file. The run can be retried, because
        # each attempt at the run uses a different key.
        (FileExistsError("/srv/exports"), StorageUnavailable),
        (ConnectionResetError("10.0.0.5"), StorageUnavailable),
        (TimeoutError(), StorageTimeout),
        (OSError(5, "Input/output error"), StorageUnavailable),
        (EndpointConnectionError(endpoint_url="https://s3.internal"), StorageUnavailable),
        (ResponseParserError("unable to parse: <html>"), StorageUnavailable),
        (client_error("SlowDown", 503), StorageUnavailable),
        (client_error("XMinioStorageFull", 507), StorageFull),
        (client_error("QuotaExceeded", 403), StorageFull),
        (OSError(errno.ENOSPC, "No space left on device"), StorageFull),
    ],
)
def test_storage_errors_become_export_errors_without_their_text(
    raised: Exception, error: type[ExportError]
) -> None:
    with pytest.raises(error) as caught, storage_errors():
        raise raised
    assert str(caught.value) == error.message


class Closed(FolderStorage):
    def begin_upload(self, key: str) -> Upload:
        raise PermissionError(key)


def test_an_error_on_the_first_call_is_converted(tmp_path: Path) -> None:
    with pytest.raises(StorageDenied), upload(Closed(tmp_path, ""), KEY):
        pass


def open_link(storage: FolderStorage, url: str, at: Clock, **forged: str) -> Path:
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    key = parts.path.removeprefix("/files/")
    return storage.verify_link(**{"key": key, **query, **forged}, now=at.now)


def test_a_signed_link_works_until_it_expires(storage: FolderStorage, tmp_path: Path) -> None:
    clock = Clock()
    link = storage.sign(KEY, FILE, 900, clock.now)
    assert link.url.startswith(f"https://reports.example.com/files/{KEY}?")
    clock.move(seconds=899)
    assert open_link(storage, link.url, clock) == tmp_path / KEY
    clock.move(seconds=1)
    assert link.expires_at == clock.now
    with pytest.raises(PermissionError, match="expired"):
        open_link(storage, link.url, clock)


@pytest.mark.parametrize(
    "forged",
    [
        {"key": "899e1228-d7b8-40fc-8490-70e6f1efb338/2.csv"},
        {"key": "../../etc/passwd"},
        {"expires": "99999999999"},
        {"expires": ""},
        {"disposition": 'attachment; filename="evil.exe"'},
        {"disposition": ""},
        {"signature": "0" * 64},
        {"signature": ""},
        {"signature": "ü"},
        {"key": f"{KEY}\n1721390400", "expires": FILE, "disposition": ""},
    ],
)
def test_a_changed_link_is_rejected(storage: FolderStorage, forged: dict[str, str]) -> None:
    link = storage.sign(KEY, FILE, 900, NOON)
    with pytest.raises(PermissionError, match="not valid"):
        open_link(storage, link.url, Clock(), **forged)


def test_a_link_signed_by_another_folder_is_rejected(storage: FolderStorage, tmp_path: Path) -> None:
    other = FolderStorage(tmp_path / "elsewhere", "https://reports.example.com")
    with pytest.raises(PermissionError, match="not valid"):
        open_link(storage, other.sign(KEY, FILE, 900, NOON).url, Clock())


def test_the_signing_key_is_private_and_persistent(storage: FolderStorage, tmp_path: Path) -> None:
    storage.warm_up()
    key_file = tmp_path / ".signing-key"
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert len(key_file.read_bytes()) == 32
    reopened = FolderStorage(tmp_path, "https://reports.example.com")
    assert reopened.sign(KEY, FILE, 900, NOON) == storage.sign(KEY, FILE, 900, NOON)


def test_link_size_counts_bytes_or_fails(storage: FolderStorage) -> None:
    link = storage.sign(KEY, FILE, 900, NOON)
    with pytest.raises(LinkRejected, match="missing"):
        storage.link_size(link)
    with upload(storage, KEY) as started:
        started.write(b"12345")
        started.commit()
    assert storage.link_size(link) == 5


@pytest.mark.parametrize(
    ("title", "header"),
    [
        (None, 'attachment; filename="x.csv"'),
        ("October", "attachment; filename=\"x.csv\"; filename*=UTF-8''October.csv"),
        (
            'Größe "1"; a/b\\c',
            "attachment; filename=\"x.csv\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%221%22%3B%20a%2Fb%5Cc.csv",
        ),
        ("a\r\nX-Evil: 1", "attachment; filename=\"x.csv\"; filename*=UTF-8''a%0D%0AX-Evil%3A%201.csv"),
    ],
)
def test_a_title_is_percent_encoded(title: str | None, header: str) -> None:
    assert content_disposition("x.csv", title) == header


@pytest.mark.parametrize(
    "url",
    [
        "",
        "exports",
        "s3://",
        "s3:///prefix",
        "file://",
        "ftp://host/x",
        "gs://b/p",
        "file://relative",
        "s3://key:secret@bucket",
        "s3://bucket/Año #1/x",
        "s3://bucket/a?b",
        "s3://bucket/a%20b",
        "s3://bucket/a//b",
        "s3://bucket/../b",
        "s3://bücket",
        "file:///a#b",
    ],
)
def test_an_invalid_storage_url_is_rejected(url: str) -> None:
    with pytest.raises(ValueError, match=r"^must "):
        open_storage(url, "")


@pytest.mark.parametrize("url", ["s3://bucket", "s3://my_bucket.x/Año 1/x/", "file:///srv/Año 1"])
def test_a_storage_url_may_contain_spaces_and_letters_of_any_script(url: str) -> None:
    assert check_storage_url(url) == url


def test_a_file_url_opens_a_folder(tmp_path: Path) -> None:
    storage = open_storage(f"file://{tmp_path}", "")
    assert isinstance(storage, FolderStorage)
    storage.check()
