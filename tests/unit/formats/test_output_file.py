import gzip
import hashlib
import io
import os
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Integer

from flows.formats import zip_stream
from flows.formats.containers import Bare
from flows.formats.csv.format import CsvFormat
from flows.formats.csv.options import CsvOptions, parse_options
from flows.formats.output_file import BLOCKS_IN_FLIGHT, OutputFile
from flows.formats.protocol import Output
from flows.rows.columns import OutputColumn
from flows.rows.pipeline import Block, Records
from tests.support.clock import NOON
from tests.support.system_programs import require_program

HEADER = b"Id\n"
MARK = b"\xef\xbb\xbf"
COLUMN = OutputColumn("id", "Id", "integer", False, Column("id", Integer))
Blocks = list[tuple[int, bytes]]


def packed(csv: Any, blocks: Blocks) -> tuple[bytes, OutputFile]:
    return packed_with(parse_options(csv), blocks)


def packed_with(options: CsvOptions, blocks: Blocks) -> tuple[bytes, OutputFile]:
    output = Output(
        columns=[COLUMN],
        rows=sum(rows for rows, _ in blocks),
        zone=ZoneInfo("UTC"),
        name="things",
        title="Things",
        snapshot_at=NOON,
        request={},
    )
    writer = CsvFormat().writer(options, output)
    with OutputFile(CsvFormat().container(options, output)) as file:
        written = [block for rows, data in blocks for block in writer.write(Records(rows, data))]
        stored = [data for block in (*written, *writer.finish()) for data in file.add(block)]
        return b"".join([*stored, *file.finish()]), file


def members(stored: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(stored)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def numbers(first: int, last: int) -> Blocks:
    return [(1, b"%d\n" % number) for number in range(first, last + 1)]


def test_a_plain_file_is_header_and_rows() -> None:
    assert packed("plain", numbers(1, 3))[0] == b"Id\n1\n2\n3\n"
    assert packed("excel", numbers(1, 1))[0] == MARK + b"Id\r\n1\n"
    assert packed({"preset": "excel", "header": "none"}, numbers(1, 1))[0] == MARK + b"1\n"


@pytest.mark.parametrize("csv", ["plain", {"byteOrderMark": True}])
def test_an_export_without_rows_is_a_file_with_a_header(csv: Any) -> None:
    whole = parse_options(csv).byte_order_mark * MARK + HEADER
    options = csv if isinstance(csv, dict) else {}
    assert packed(csv, [])[0] == whole
    assert gzip.decompress(packed(options | {"compression": "gzip"}, [])[0]) == whole
    assert members(packed(options | {"compression": "zip"}, [])[0]) == {"things.csv": whole}


def test_gzip_and_zip_contain_the_file() -> None:
    assert gzip.decompress(packed({"compression": "gzip"}, numbers(1, 3))[0]) == b"Id\n1\n2\n3\n"
    assert members(packed({"compression": "zip"}, numbers(1, 3))[0]) == {"things.csv": b"Id\n1\n2\n3\n"}


def test_every_split_file_has_byte_order_mark_and_header() -> None:
    stored, _ = packed({"compression": "zip", "splitRows": 2, "byteOrderMark": True}, numbers(1, 5))
    assert members(stored) == {
        "things_1.csv": MARK + b"Id\n1\n2\n",
        "things_2.csv": MARK + b"Id\n3\n4\n",
        "things_3.csv": MARK + b"Id\n5\n",
    }


def test_rows_up_to_the_limit_are_one_file() -> None:
    csv = {"compression": "zip", "splitRows": 2}
    assert list(members(packed(csv, numbers(1, 2))[0])) == ["things.csv"]
    assert list(members(packed(csv, numbers(1, 4))[0])) == ["things_1.csv", "things_2.csv"]


def test_the_excel_preset_creates_a_zip_only_above_the_row_limit() -> None:
    half, rest = (600_000, b"x\r\n" * 600_000), 448_575
    stored, _ = packed("excel", [half, (rest, b"x\r\n" * rest)])
    assert stored == MARK + b"Id\r\n" + b"x\r\n" * 1_048_575
    stored, _ = packed("excel", [half, (rest, b"x\r\n" * rest), (1, b"last\r\n")])
    files = members(stored)
    assert list(files) == ["things_1.csv", "things_2.csv"]
    assert files["things_1.csv"].count(b"\r\n") == 1_048_576
    assert files["things_2.csv"] == MARK + b"Id\r\nlast\r\n"


@pytest.mark.parametrize("compression", ["none", "gzip", "zip"])
def test_size_and_hash_match_the_reproducible_bytes(compression: str) -> None:
    blocks = [(1000, os.urandom(500_000)) for _ in range(5)]
    stored, file = packed({"compression": compression}, blocks)
    assert (file.bytes, file.sha256) == (len(stored), hashlib.sha256(stored).hexdigest())
    assert packed({"compression": compression}, blocks)[0] == stored


@given(
    st.lists(st.binary(max_size=2000), max_size=40),
    st.none() | st.integers(1, 10),
    st.sampled_from(["none", "gzip", "zip"]),
)
@settings(max_examples=50, deadline=None)
def test_every_container_returns_the_rows_unchanged(
    rows: list[bytes], split: int | None, compression: Any
) -> None:
    options = CsvOptions(
        compression=compression, split_rows=split if compression == "zip" else None, header="none"
    )
    stored, _ = packed_with(options, [(1, row) for row in rows])
    files = {"none": lambda: [stored], "gzip": lambda: [gzip.decompress(stored)]}.get(
        compression, lambda: list(members(stored).values())
    )()
    assert b"".join(files) == b"".join(rows)
    assert len(files) == max(1, -(-len(rows) // split)) if options.split_rows and split else len(files) == 1


def test_the_number_of_pending_blocks_is_bounded() -> None:
    with OutputFile(Bare()) as file:
        ready = 0
        for added in range(1, 101):
            ready += len(file.add(Block(1, b"x")))
            assert added - ready <= BLOCKS_IN_FLIGHT


def test_the_thread_ends_with_the_block() -> None:
    before = set(threading.enumerate())
    with suppress(OSError), OutputFile(Bare()) as file:
        file.add(Block(1, b"x"))
        raise OSError
    assert set(threading.enumerate()) <= before


# The following tests read the zip with Python and with the unzip program.


def zipped(files: list[tuple[str, list[bytes]]]) -> bytes:
    def parts() -> Iterator[bytes]:
        archive = zip_stream.ZipFile()
        for name, blocks in files:
            yield archive.begin(name)
            yield from (archive.write(block) for block in blocks)
        yield archive.end()

    return b"".join(parts())


def unzipped(stored: bytes, folder: Path) -> str:
    (folder / "file.zip").write_bytes(stored)
    command = [require_program("unzip"), "-t", str(folder / "file.zip")]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603


FILES = [("one.csv", [b"a" * 3000, b"b" * 3000]), ("größe.csv", []), ("three.csv", [os.urandom(3000)])]


def test_python_and_unzip_read_the_zip(tmp_path: Path) -> None:
    stored = zipped(FILES)
    assert members(stored) == {name: b"".join(blocks) for name, blocks in FILES}
    assert "No errors detected" in unzipped(stored, tmp_path)


def test_large_sizes_use_zip64_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower the writer's 4 GiB limit, because writing that much data would take too long.

    Python's reader still uses the real limit.
    """
    monkeypatch.setattr(zip_stream, "LIMIT_32", 1000)
    stored = zipped(FILES)
    assert b"PK\6\6" in stored
    assert members(stored) == {name: b"".join(blocks) for name, blocks in FILES}
    assert "No errors detected" in unzipped(stored, tmp_path)


def test_a_zip_may_have_more_than_65535_files(tmp_path: Path) -> None:
    stored = zipped([(f"{number}.csv", [b"x"]) for number in range(70_000)])
    with zipfile.ZipFile(io.BytesIO(stored)) as archive:
        assert len(archive.namelist()) == 70_000
    assert "No errors detected" in unzipped(stored, tmp_path)
