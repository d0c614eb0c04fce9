import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.formats.csv.options import CsvOptions
from flows.formats.csv.records import records
from flows.formats.csv.text import record
from flows.rows.arrow_columns import TEXT

special = st.sampled_from(
    ["", " ", ",", ";", "\t", "|", '"', '""', "\n", "\r", "\r\n", "\\.", "NULL", "'", "é🌳"]
)
encodable = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
texts = st.none() | special | encodable | st.builds("".join, st.lists(special, max_size=4))
all_options = st.builds(
    CsvOptions, delimiter=st.sampled_from([",", ";", "\t", "|"]), line_ending=st.sampled_from(["lf", "crlf"])
)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str | None]]:
    rows, width = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    return [draw(st.lists(texts, min_size=rows, max_size=rows)) for _ in range(width)]


@given(columns=tables(), options=all_options)
@settings(max_examples=400)
def test_columns_and_single_rows_give_the_same_records(
    columns: list[list[str | None]], options: CsvOptions
) -> None:
    one_by_one = "".join(record(row, options) for row in zip(*columns, strict=True))
    assert records([pa.array(column, TEXT) for column in columns], options) == one_by_one.encode()
