"""Test that the CSV writer splits rows across several files."""

from hypothesis import given
from hypothesis import strategies as st

from flows.formats.csv.options import CsvOptions
from flows.formats.csv.text import record
from flows.formats.csv.writer import split
from flows.rows.pipeline import Chunk, Records

cells = st.lists(st.none() | st.text(st.sampled_from('a",\n\r ')), min_size=1, max_size=3)
blocks_of_rows = st.lists(st.lists(cells, min_size=1, max_size=6), max_size=5)


def split_all(batches: list[Records] | list[Chunk], at_rows: int) -> list[list[Records | Chunk]]:
    """Split the batches, check that no part crosses a file boundary, and return the parts of each file."""
    files: dict[int, list[Records | Chunk]] = {}
    rows_before = 0
    for batch in batches:
        for part in split(batch, rows_before, at_rows):
            file = rows_before // at_rows
            assert file == (rows_before + part.rows - 1) // at_rows
            files.setdefault(file, []).append(part)
            rows_before += part.rows
    return list(files.values())


@given(blocks_of_rows, st.integers(1, 7), st.sampled_from(["lf", "crlf"]))
def test_records_are_cut_where_a_file_is_full(
    rows: list[list[list[str | None]]], at_rows: int, line_ending: str
) -> None:
    options = CsvOptions(line_ending="crlf" if line_ending == "crlf" else "lf")
    texts = [[record(row, options).encode() for row in block] for block in rows]
    files = split_all([Records(len(block), b"".join(block)) for block in texts], at_rows)
    records = [text for block in texts for text in block]
    assert [b"".join(part.data for part in parts if isinstance(part, Records)) for parts in files] == [
        b"".join(records[start : start + at_rows]) for start in range(0, len(records), at_rows)
    ]


@given(st.lists(st.integers(1, 9), max_size=5), st.integers(1, 7))
def test_chunks_are_cut_where_a_file_is_full(sizes: list[int], at_rows: int) -> None:
    keys = list(range(sum(sizes)))
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    chunks = [
        Chunk([keys[start : start + size]], keys[start : start + size])
        for start, size in zip(starts, sizes, strict=True)
    ]
    files = split_all(chunks, at_rows)
    file_keys = [
        [key for part in parts if isinstance(part, Chunk) for key in part.values[0]] for parts in files
    ]
    assert file_keys == [keys[start : start + at_rows] for start in range(0, len(keys), at_rows)]


def test_without_a_limit_batches_stay_whole() -> None:
    records = Records(2, b"a\nb\n")
    assert list(split(records, 5, None)) == [records]
