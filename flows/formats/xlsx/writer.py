"""Write the rows of a workbook."""

from collections.abc import Iterator
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from flows.errors import ColumnsLimit
from flows.formats.csv import header
from flows.formats.csv.options import EXCEL_ROWS, CsvOptions
from flows.formats.csv.writer import split
from flows.formats.protocol import Output
from flows.formats.xlsx import parts
from flows.formats.xlsx.cells import EMPTY, cells
from flows.formats.xlsx.xml_text import MAX_CHARACTERS, excel_length
from flows.rows.arrow_columns import TEXT, data
from flows.rows.columns import OutputColumn
from flows.rows.pipeline import Block, Chunk, Records
from flows.rows.row_errors import apply_to_column

# Blocks are small, because a row takes more than a kilobyte of XML and several blocks are in memory at once.
ROWS_PER_BLOCK = 4096


def _header(column: OutputColumn, output: Output, options: CsvOptions) -> str:
    text = header.name(column, output.zone, options)
    if (characters := excel_length(text)) > MAX_CHARACTERS:
        raise ColumnsLimit(
            f"The label of column {column.key} has {characters:,} characters; the limit of a cell is"
            f" {MAX_CHARACTERS:,}. Choose other columns, or another format."
        )
    return text


class XlsxWriter:
    """Writes the parts of a workbook as files in a zip, and starts a new sheet when the current one is full.

    `Block.file` is the index of the part. The sheets that contain the rows come last.
    """

    def __init__(self, output: Output, *, has_key_header: bool, codebook: bool) -> None:
        self._output, self._codebook = output, codebook
        names = CsvOptions(header="keys" if has_key_header else "labels", date_times="local")
        self._headers = [_header(column, output, names) for column in output.columns]
        self._rows, self._sheet, self._parts = 0, -1, 0

    def write(self, batch: Records | Chunk) -> Iterator[Block]:
        for part in split(batch, self._rows, EXCEL_ROWS):
            assert isinstance(part, Chunk)  # noqa: S101 - copy_options() returns None
            if self._rows % EXCEL_ROWS == 0:
                yield from self._next_sheet()
            self._rows += part.rows
            for start in range(0, part.rows, ROWS_PER_BLOCK):
                rows = part.slice(start, start + ROWS_PER_BLOCK)
                yield self._block(self._row_xml(rows), rows.rows)

    def finish(self) -> Iterator[Block]:
        if self._sheet < 0:
            yield from self._next_sheet()
        yield self._end_of_sheet()

    def close(self) -> None:
        """Do nothing, because there are no resources to release."""

    def _next_sheet(self) -> Iterator[Block]:
        if self._sheet < 0:
            fixed = parts.fixed_parts(self._output, self._headers, self._codebook)
            for file, (_, content) in enumerate(fixed):
                yield Block(0, content.encode(), file)
                self._parts += 1
        else:
            yield self._end_of_sheet()
        self._sheet += 1
        yield self._block(parts.sheet_begin(self._output, self._headers, self._sheet == 0).encode())

    def _end_of_sheet(self) -> Block:
        rows = parts.rows_of_sheet(self._output, self._sheet)
        return self._block(parts.sheet_end(len(self._headers), rows).encode())

    def _block(self, content: bytes, rows: int = 0) -> Block:
        return Block(rows, content, self._parts + self._sheet)

    def _row_xml(self, chunk: Chunk) -> bytes:
        zone = self._output.zone
        columns = [
            apply_to_column(partial(cells, column=column, zone=zone), values, column, chunk.keys)
            for column, values in zip(self._output.columns, chunk.values, strict=True)
        ]
        begin, end, nothing = (pa.scalar(text, TEXT) for text in ("<row>", "</row>\n", ""))
        rows = pc.binary_join_element_wise(
            begin, *columns, end, nothing, null_handling="replace", null_replacement=EMPTY
        )
        return data(rows)
