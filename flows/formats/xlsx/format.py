"""Define the XLSX format: its options, limits and container."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flows.errors import ColumnsLimit
from flows.formats.containers import Container, Zip
from flows.formats.options import choices_model, parse_choices
from flows.formats.protocol import Output, TextSize

if TYPE_CHECKING:
    from flows.formats.xlsx.writer import XlsxWriter

CHOICES = {"header": ("labels", "keys")}
MAX_COLUMNS = 16_384
# File size relative to plain CSV, measured on survey responses (docs/speed.md).
FILE_SIZE = 0.36


@dataclass(frozen=True)
class XlsxOptions:
    header: str = "labels"
    codebook: bool = False


class XlsxFormat:
    name = "xlsx"
    label = "Excel workbook"
    media_types: Mapping[str, str] = {
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    }
    options_type: Any = choices_model("XlsxOptions", CHOICES)
    options_description = "Options of XLSX."

    def parse_options(self, value: object) -> XlsxOptions:
        return XlsxOptions(**parse_choices(value, CHOICES))

    def with_codebook(self, options: XlsxOptions) -> XlsxOptions:
        return replace(options, codebook=True)

    def extension(self, options: XlsxOptions, rows: int) -> str:
        return "xlsx"

    def estimated_bytes(self, options: XlsxOptions, text: TextSize) -> int:
        return round(text.bytes * FILE_SIZE)

    def copy_options(self, options: XlsxOptions) -> None:
        return None

    def writer(self, options: XlsxOptions, output: Output) -> "XlsxWriter":
        if len(output.columns) > MAX_COLUMNS:
            raise ColumnsLimit(
                f"The export would contain {len(output.columns):,} columns; the limit of a workbook is"
                f" {MAX_COLUMNS:,}. Choose fewer columns."
            )
        from flows.formats.xlsx.writer import XlsxWriter  # imports Arrow

        return XlsxWriter(output, has_key_header=options.header == "keys", codebook=options.codebook)

    def container(self, options: XlsxOptions, output: Output) -> Container:
        from flows.formats.xlsx import parts  # imports Arrow

        names = [name for name, _ in parts.fixed_parts(output, [], options.codebook)]
        return Zip(lambda file: names[file] if file < len(names) else parts.sheet_part(file - len(names)))
