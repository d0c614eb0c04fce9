"""Write CSV files from typed chunks or from records formatted by PostgreSQL.

The resulting files are identical in both cases.
"""

from collections.abc import Iterator

from flows.formats import codebook
from flows.formats.csv.chunks import to_csv
from flows.formats.csv.header import header
from flows.formats.csv.options import CsvOptions
from flows.formats.csv.text import BYTE_ORDER_MARK, record, without_formulas
from flows.formats.protocol import Output
from flows.rows.pipeline import Block, Chunk, Records

_LINE_FEED = b"\n"


class CsvWriter:
    """Writes CSV files and starts a new file after every `split_rows` rows.

    The options determine whether each file starts with a byte order mark and a header. If the options include
    a codebook, it is the last file.
    """

    def __init__(self, options: CsvOptions, output: Output) -> None:
        self._options, self._output = options, output
        self._mark = BYTE_ORDER_MARK if options.byte_order_mark else b""
        self._top = self._mark + header(output.columns, output.zone, options)
        self._rows = 0

    def write(self, batch: Records | Chunk) -> Iterator[Block]:
        for part in split(batch, self._rows, self._options.split_rows):
            yield self._block(part.rows, self._records(part))

    def finish(self) -> Iterator[Block]:
        if self._rows == 0:
            yield self._block(0, b"")
        if self._options.codebook:
            yield Block(0, self._codebook(), self._options.file_count(self._output.rows))

    def close(self) -> None:
        """Do nothing, because there are no resources to release."""

    def _codebook(self) -> bytes:
        records = (
            [cell and without_formulas(cell) for cell in cells] if self._options.formula_guard else cells
            for cells in codebook.records(self._output.columns)
        )
        return self._mark + "".join(record(cells, self._options) for cells in records).encode()

    def _records(self, part: Records | Chunk) -> bytes:
        if isinstance(part, Records):
            return part.data
        return to_csv(part, self._output.columns, self._output.zone, self._options)

    def _block(self, rows: int, data: bytes) -> Block:
        file, before = divmod(self._rows, self._options.split_rows or self._rows + 1)
        self._rows += rows
        return Block(rows, data if before else self._top + data, file)


def split(batch: Records | Chunk, rows_before: int, at_rows: int | None) -> Iterator[Records | Chunk]:
    """Split a batch so that a new part starts after every `at_rows` rows of the export.

    `rows_before` is the number of rows that precede the batch in the export.
    """
    while at_rows is not None and rows_before % at_rows + batch.rows > at_rows:
        rows = at_rows - rows_before % at_rows
        first, batch = _cut(batch, rows)
        rows_before += rows
        yield first
    yield batch


def _cut(batch: Records | Chunk, rows: int) -> tuple[Records | Chunk, Records | Chunk]:
    if isinstance(batch, Chunk):
        return batch.slice(0, rows), batch.slice(rows, batch.rows)
    end = _end_of_record(batch.data, rows)
    return Records(rows, batch.data[:end]), Records(batch.rows - rows, batch.data[end:])


def _end_of_record(data: bytes, number: int) -> int:
    """Return the length in bytes of the first `number` records.

    A record ends at its first line feed outside quotes.
    """
    end = 0
    for _ in range(number):
        begin, end = end, data.index(_LINE_FEED, end) + 1
        while data.count(b'"', begin, end) % 2:
            end = data.index(_LINE_FEED, end) + 1
    return end
