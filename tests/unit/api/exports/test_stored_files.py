"""Test that an export is reported as an error if its file has disappeared from the storage."""

import asyncio
import time
from pathlib import Path

import pytest

from api.exports.job import Job, export_status, frozen_body
from api.exports.stored_files import StoredFiles
from flows.storage.folder import FolderStorage
from flows.storage.protocol import Link
from tests.support.clock import Clock
from tests.support.prefect_job import JOB_ID, RECEIPT, WHOLE, job

DONE = job("COMPLETED", WHOLE)


class SlowStorage(FolderStorage):
    seconds = 0.0
    reads = 0

    def link_size(self, link: Link) -> int:
        self.reads += 1
        time.sleep(self.seconds)
        return super().link_size(link)


class Restarting(FolderStorage):
    def link_size(self, link: Link) -> int:
        raise OSError("the signed link returned 500")


class Unreachable(FolderStorage):
    def link_size(self, link: Link) -> int:
        raise OSError("the signed link cannot be read")

    def check(self) -> None:
        raise OSError("the storage does not respond")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / JOB_ID / "1.csv"
    path.parent.mkdir()
    path.write_bytes(b"a" * RECEIPT.bytes)
    return path


def check(files: StoredFiles, checked: Job = DONE) -> Job:
    return asyncio.run(files.check(checked))


def test_an_export_with_its_file_is_done(tmp_path: Path, file: Path, clock: Clock) -> None:
    assert file.exists()
    assert check(StoredFiles(FolderStorage(tmp_path, ""), clock, 5)).status == "done"


@pytest.mark.parametrize("size", [None, 0, RECEIPT.bytes - 1])
def test_an_export_without_its_file_is_an_error(
    tmp_path: Path, file: Path, clock: Clock, size: int | None
) -> None:
    file.unlink()
    if size is not None:
        file.write_bytes(b"a" * size)
    files = StoredFiles(FolderStorage(tmp_path, ""), clock, 5)
    assert files.as_last_checked(DONE).status == "done"
    lost = check(files)
    assert lost.status == "error"
    assert lost.error is not None
    assert (lost.error.code, lost.error.retryable) == ("storage.lost", True)
    assert frozen_body(lost, None)["data"] == {
        "status": "error",
        "progress": 99,
        "error": "The file is no longer in the storage. Start the export again.",
    }
    assert export_status(lost) == "500"
    assert files.as_last_checked(DONE).status == "error"


def test_the_result_is_kept_for_ten_seconds(tmp_path: Path, file: Path, clock: Clock) -> None:
    files = StoredFiles(FolderStorage(tmp_path, ""), clock, 5)
    assert check(files).status == "done"
    content = file.read_bytes()
    file.unlink()
    clock.move(seconds=9)
    assert check(files).status == "done"
    clock.move(seconds=1)
    assert check(files).status == "error"
    file.write_bytes(content)
    clock.move(seconds=10)
    assert check(files).status == "done"


def test_concurrent_polls_share_one_check(
    tmp_path: Path, file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SlowStorage, "seconds", 0.05)
    storage = SlowStorage(tmp_path, "")
    files = StoredFiles(storage, clock, 5)

    async def poll() -> list[str]:
        return [polled.status for polled in await asyncio.gather(*(files.check(DONE) for _ in range(500)))]

    for checks in (1, 2):
        assert asyncio.run(poll()) == ["done"] * 500
        assert storage.reads == checks
        clock.move(seconds=10)


@pytest.mark.parametrize("storage", [SlowStorage, Restarting, Unreachable])
def test_a_storage_that_fails_has_lost_nothing(
    tmp_path: Path, clock: Clock, storage: type[FolderStorage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SlowStorage, "seconds", 1.0)
    assert check(StoredFiles(storage(tmp_path, ""), clock, 0.5)).status == "done"


def test_other_exports_are_not_checked(tmp_path: Path, clock: Clock) -> None:
    files = StoredFiles(FolderStorage(tmp_path, ""), clock, 5)
    assert check(files, job("RUNNING")).status == "running"
    assert check(files, job("COMPLETED", WHOLE, tags=frozenset({"expired"}))).status == "expired"
