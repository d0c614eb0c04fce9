"""Define the CSV format: its options, file names and containers."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from flows.formats.containers import PACKING, Bare, Container, Gzip, Zip
from flows.formats.csv import options as csv_options
from flows.formats.csv.options import CsvOptions
from flows.formats.options import InvalidOptions
from flows.formats.protocol import Output, TextSize

if TYPE_CHECKING:
    from flows.formats.csv.writer import CsvWriter


class CsvFormat:
    name = "csv"
    label = "CSV"
    media_types: Mapping[str, str] = {
        "csv": "text/csv; charset=utf-8",
        "csv.gz": "application/gzip",
        "zip": "application/zip",
    }
    options_type: Any = csv_options.CsvPreset | csv_options.CsvOptionsModel
    options_description = "A preset, or options that override one."

    def parse_options(self, value: object) -> CsvOptions:
        return csv_options.parse_options(value)

    def with_codebook(self, options: CsvOptions) -> CsvOptions:
        if options.compression == "gzip":
            raise InvalidOptions({None: "needs compression zip; gzip contains a single file"})
        return replace(options, codebook=True)

    def extension(self, options: CsvOptions, rows: int) -> str:
        if options.compression == "gzip":
            return "csv.gz"
        has_zip = options.compression == "zip" or options.codebook or options.splits(rows)
        return "zip" if has_zip else "csv"

    def estimated_bytes(self, options: CsvOptions, text: TextSize) -> int:
        is_packed = self.extension(options, text.rows) != "csv"
        return round(text.bytes / PACKING) if is_packed else text.bytes

    def copy_options(self, options: CsvOptions) -> CsvOptions:
        return options

    def writer(self, options: CsvOptions, output: Output) -> "CsvWriter":
        from flows.formats.csv.writer import CsvWriter  # imports Arrow

        return CsvWriter(options, output)

    def container(self, options: CsvOptions, output: Output) -> Container:
        extension = self.extension(options, output.rows)
        if extension == "zip":
            return Zip(partial(_file_name, options, output))
        return Gzip() if extension == "csv.gz" else Bare()


def _file_name(options: CsvOptions, output: Output, file: int) -> str:
    """Return the name of a file in the zip. The codebook is the last file."""
    if file == options.file_count(output.rows):
        return "codebook.csv"
    return f"{output.name}_{file + 1}.csv" if options.splits(output.rows) else f"{output.name}.csv"
