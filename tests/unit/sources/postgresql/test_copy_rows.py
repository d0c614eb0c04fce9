from hypothesis import given
from hypothesis import strategies as st

from flows.formats.csv_options import Dialect
from flows.formats.csv_text import record
from flows.rows.pipeline import Records
from flows.sources.postgresql.copy_rows import split

cells = st.lists(st.none() | st.text(st.sampled_from('a",\n\r ')), min_size=1, max_size=3)
blocks_of_rows = st.lists(st.lists(cells, min_size=1, max_size=6), max_size=5)


@given(blocks_of_rows, st.integers(1, 7), st.sampled_from(["lf", "crlf"]))
def test_blocks_are_cut_between_records_where_a_file_is_full(
    rows: list[list[list[str | None]]], at_rows: int, line_ending: str
) -> None:
    dialect = Dialect(line_ending="crlf" if line_ending == "crlf" else "lf")
    texts = [[record(row, dialect).encode() for row in block] for block in rows]
    found = list(split([Records(len(block), b"".join(block)) for block in texts], at_rows))

    records = [each for block in texts for each in block]
    files: dict[int, bytes] = {}
    passed = 0
    for block in found:
        assert passed // at_rows == (passed + block.rows - 1) // at_rows
        files[passed // at_rows] = files.get(passed // at_rows, b"") + block.data
        passed += block.rows
    assert list(files.values()) == [
        b"".join(records[start : start + at_rows]) for start in range(0, len(records), at_rows)
    ]


def test_without_a_limit_blocks_stay_as_they_are() -> None:
    blocks = [Records(2, b"a\nb\n"), Records(1, b"c\n")]
    assert list(split(blocks, None)) == blocks
