"""Run an export with the source and format defined in this module, and print its final state as JSON."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flows.export import export_report
from flows.formats.containers import Bare, Container
from flows.formats.csv.options import CsvOptions
from flows.formats.options import InvalidOptions
from flows.formats.protocol import Output
from flows.formats.registry import FORMATS
from flows.query import statement
from flows.rows.arrow_columns import unpacked
from flows.rows.pipeline import Block, Chunk, Opening, Records
from flows.sources.choose import SOURCES
from flows.sources.protocol import Reading

ROWS_PER_CHUNK = 100


@dataclass(frozen=True)
class LinesOptions:
    separator: str = "|"


class LinesFormat:
    """Format that writes a line of column keys, a line for each row, and a final line with the row count."""

    name = "lines"
    label = "Lines"
    media_types: Mapping[str, str] = {"lines.txt": "text/x-lines"}
    options_type: Any = dict[str, str]
    options_description = "How the values of a row are separated."

    def parse_options(self, value: object) -> LinesOptions:
        options = {} if value is None else value
        if not isinstance(options, dict) or not options.keys() <= {"separator"}:
            raise InvalidOptions({None: "must be an object with a separator"})
        return LinesOptions(**options)

    def extension(self, options: LinesOptions, rows: int) -> str:
        return "lines.txt"

    def copy_options(self, options: LinesOptions) -> CsvOptions | None:
        return None

    def writer(self, options: LinesOptions, output: Output) -> "LinesWriter":
        return LinesWriter(options, output)

    def container(self, options: LinesOptions, output: Output) -> Container:
        return Bare()


class LinesWriter:
    def __init__(self, options: LinesOptions, output: Output) -> None:
        self._options, self._output, self._rows = options, output, 0

    def write(self, batch: Records | Chunk) -> Iterator[Block]:
        assert isinstance(batch, Chunk)
        lines = [list(map(str, row)) for row in zip(*map(unpacked, batch.values), strict=True)]
        if self._rows == 0:
            lines.insert(0, [column.key for column in self._output.columns])
        self._rows += batch.rows
        yield Block(batch.rows, "".join(self._options.separator.join(line) + "\n" for line in lines).encode())

    def finish(self) -> Iterator[Block]:
        yield Block(0, f"{self._rows} of {self._output.rows} rows\n".encode())

    def close(self) -> None:
        print("closed", file=sys.stderr)  # noqa: T201 - the test reads it


class UpperCaseSource:
    """Source that converts values to upper case so that the test can recognize its rows."""

    def can_read(self, reading: Reading) -> bool:
        return reading.request.format.name == "lines"

    def rows(self, reading: Reading) -> Iterator[Opening | Records | Chunk]:
        yield reading.opening
        expressions = [column.expression for column in reading.opening.columns]
        result = reading.snapshot.connection.execute(statement.rows(reading.request, expressions))
        for partition in result.partitions(ROWS_PER_CHUNK):
            columns = [[str(value).upper() for value in values] for values in zip(*partition, strict=True)]
            yield Chunk(columns, columns[0])


if __name__ == "__main__":
    FORMATS[LinesFormat.name] = LinesFormat()
    SOURCES.insert(0, UpperCaseSource())
    state = export_report(json.loads(sys.argv[1]), return_state=True)
    result = {"run": str(state.state_details.flow_run_id), "name": state.name, "message": state.message}
    print(json.dumps(result))  # noqa: T201 - the test reads it
