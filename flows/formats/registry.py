"""List the output formats by name, and look up the media type for a file name."""

from pathlib import PurePath

from flows.formats.csv.format import CsvFormat
from flows.formats.jsonl.format import JsonlFormat
from flows.formats.parquet.format import ParquetFormat
from flows.formats.protocol import Format
from flows.formats.xlsx.format import XlsxFormat

DEFAULT_FORMAT = CsvFormat.name

FORMATS: dict[str, Format] = {
    format_.name: format_ for format_ in (CsvFormat(), XlsxFormat(), ParquetFormat(), JsonlFormat())
}


def extension_of(file_name: str) -> str:
    """Return the extension of a file name, with the leading dot. `.csv.gz` counts as one extension."""
    matching = [f".{extension}" for extension in _media_types() if file_name.endswith(f".{extension}")]
    return max(matching, key=len, default=PurePath(file_name).suffix)


def media_type_of(file_name: str) -> str:
    return _media_types().get(extension_of(file_name)[1:], "application/octet-stream")


def _media_types() -> dict[str, str]:
    return {key: value for format_ in FORMATS.values() for key, value in format_.media_types.items()}
