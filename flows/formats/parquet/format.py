"""Define the Parquet format and its options."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flows.formats.containers import Bare, Container
from flows.formats.options import InvalidOptions, choices_model, parse_choices
from flows.formats.protocol import Output, TextSize

if TYPE_CHECKING:
    from flows.formats.parquet.writer import ParquetWriter

CHOICES = {"compression": ("zstd", "snappy", "none")}
# File sizes relative to plain CSV, measured on survey responses (docs/speed.md).
FILE_SIZES = {"zstd": 0.15, "snappy": 0.25, "none": 0.5}


@dataclass(frozen=True)
class ParquetOptions:
    compression: str = "zstd"


class ParquetFormat:
    name = "parquet"
    label = "Parquet"
    media_types: Mapping[str, str] = {"parquet": "application/vnd.apache.parquet"}
    options_type: Any = choices_model("ParquetOptions", CHOICES)
    options_description = "Options of Parquet."

    def parse_options(self, value: object) -> ParquetOptions:
        return ParquetOptions(**parse_choices(value, CHOICES))

    def with_codebook(self, options: ParquetOptions) -> ParquetOptions:
        raise InvalidOptions({None: "needs the format csv or xlsx"})

    def extension(self, options: ParquetOptions, rows: int) -> str:
        return "parquet"

    def estimated_bytes(self, options: ParquetOptions, text: TextSize) -> int:
        return round(text.bytes * FILE_SIZES[options.compression])

    def copy_options(self, options: ParquetOptions) -> None:
        return None

    def writer(self, options: ParquetOptions, output: Output) -> "ParquetWriter":
        from flows.formats.parquet.writer import ParquetWriter  # imports Arrow

        return ParquetWriter(options.compression, output)

    def container(self, options: ParquetOptions, output: Output) -> Container:
        return Bare()
