"""Test that an export stores nothing if its source fails, stalls or is cancelled during COPY.

The same applies if the disk is full.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, String, func, literal, select
from sqlalchemy.pool import NullPool

from flows.errors import ExportError, SourceCancelled, SourceTimeout, SourceUnavailable, StorageFull
from flows.formats.csv.options import PRESETS
from flows.rows.pipeline import Records
from flows.sources.postgresql import copy_out
from flows.sources.snapshot import Snapshot, open_engine, snapshot
from flows.storage.folder import FolderStorage
from flows.storage.protocol import Storage, upload
from flows.storage.s3 import PART_BYTES, S3Storage
from tests.support.chaos_faults import exhausted_connections
from tests.support.running_stack import Stack
from tests.support.small_disk import small_disk

PLAIN = PRESETS["plain"]
WIDE = func.repeat("x", 1000, type_=String)
NUMBERS = func.generate_series(1, literal(200_000)).column_valued("number")
MANY_ROWS = select(NUMBERS, WIDE)
SLOW_ROWS = select(NUMBERS, WIDE, func.pg_sleep(literal(0.001)))


@pytest.fixture(scope="module")
def engine(stack: Stack) -> Engine:
    return open_engine(stack.database_url, connect_seconds=5, poolclass=NullPool)


@contextmanager
def open_snapshot(engine: Engine, seconds: int = 60) -> Iterator[Snapshot]:
    with snapshot(engine, "UTC", seconds, lambda: datetime.now(UTC)) as snap:
        yield snap


def store_with_fault(
    engine: Engine, storage: Storage, key: str, at_bytes: int, fault: Callable[[int], Any]
) -> None:
    """Store the result of a COPY. Cause the fault once, after at least `at_bytes` bytes have been written."""
    with open_snapshot(engine) as snap, upload(storage, key) as target:
        backend = snap.scalar(select(func.pg_backend_pid()))
        written, faulted = 0, False
        for records in copy_out.copy(snap, MANY_ROWS, PLAIN):
            target.write(records.data)
            written += len(records.data)
            if written >= at_bytes and not faulted:
                fault(backend)
                faulted = True
        target.commit()


@pytest.mark.parametrize("at_bytes", [1, 2 * PART_BYTES], ids=["before the first part", "after two parts"])
@pytest.mark.parametrize(
    ("function", "error"),
    [("pg_terminate_backend", SourceUnavailable), ("pg_cancel_backend", SourceCancelled)],
)
def test_a_stopped_backend_leaves_nothing_stored(
    engine: Engine,
    storage: S3Storage,
    s3: Any,
    stack: Stack,
    database: psycopg.Connection,
    function: str,
    error: type[ExportError],
    at_bytes: int,
) -> None:
    key = f"{secrets.token_hex(8)}/1.csv"
    with pytest.raises(error) as raised:
        store_with_fault(
            engine, storage, key, at_bytes, lambda pid: database.execute(f"SELECT {function}(%s)", [pid])
        )
    assert str(raised.value) == error.message
    where = {"Bucket": stack.bucket, "Prefix": f"tests/{key}"}
    assert s3.list_objects_v2(**where).get("Contents", []) == []
    assert s3.list_multipart_uploads(**where).get("Uploads", []) == []


def test_a_copy_without_a_fault_is_stored_completely(
    engine: Engine, storage: S3Storage, s3: Any, stack: Stack
) -> None:
    """Control for the tests above: without a fault, the same code stores the file."""
    key = f"{secrets.token_hex(8)}/1.csv"
    store_with_fault(engine, storage, key, 1, lambda _: None)
    content = s3.get_object(Bucket=stack.bucket, Key=f"tests/{key}")["Body"].read()
    assert content.count(b"\n") == 200_000


def test_a_full_disk_in_the_middle_of_an_export_is_reported_and_freed(engine: Engine, tmp_path: Path) -> None:
    storage, written = FolderStorage(tmp_path, ""), []
    with small_disk(tmp_path, kibibytes=4096):
        with pytest.raises(StorageFull) as raised:
            store_with_fault(engine, storage, "job/1.csv", 1, written.append)
        assert [path.name for path in tmp_path.rglob("*")] == ["job"]
    assert written, "the disk was full before the first row"
    assert not raised.value.retryable


def test_exhausted_connections_are_reported_until_one_is_free(engine: Engine, stack: Stack) -> None:
    with exhausted_connections(stack), pytest.raises(SourceUnavailable) as raised, open_snapshot(engine):
        pass
    assert raised.value.retryable
    with open_snapshot(engine) as snap:
        assert snap.scalar(select(literal(1))) == 1


def test_a_query_beyond_its_time_limit_is_a_timeout(engine: Engine) -> None:
    with pytest.raises(SourceTimeout), open_snapshot(engine, seconds=1) as snap:
        for _ in copy_out.copy(snap, SLOW_ROWS, PLAIN):
            pass


def test_a_wrong_password_does_not_appear_in_the_error(stack: Stack) -> None:
    password = "wrong-" + secrets.token_hex(4)
    url = stack.database_url.replace("://report_reader:", f"://report_reader:{password}")
    engine = open_engine(url, connect_seconds=5, poolclass=NullPool)
    with pytest.raises(ExportError) as raised, open_snapshot(engine):
        pass
    assert password not in str(raised.value)


def test_a_complete_copy_returns_all_rows(engine: Engine) -> None:
    with open_snapshot(engine) as snap:
        blocks: list[Records] = list(copy_out.copy(snap, MANY_ROWS, PLAIN))
    assert sum(block.rows for block in blocks) == 200_000
    assert all(block.data.endswith(b"\n") for block in blocks)
