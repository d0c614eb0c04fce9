"""Protocols for output formats."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from flows.formats.containers import Container
from flows.formats.csv.options import CsvOptions
from flows.rows.columns import OutputColumn
from flows.rows.pipeline import Block, Chunk, Records


@dataclass(frozen=True, kw_only=True)
class Output:
    """Metadata of a file that is known before the first row is read.

    `rows` is the exact number of rows. `name` is the file name without its extension. `request` is the body
    of `POST /exports`. Timestamps are written in `zone`.
    """

    columns: Sequence[OutputColumn]
    rows: int
    zone: ZoneInfo
    name: str
    title: str
    snapshot_at: datetime
    request: Mapping[str, Any]


class Writer(Protocol):
    """Converts rows to the blocks of a file.

    The file consists of the blocks from `write`, followed by the blocks from `finish`. Memory must stay
    constant. A writer that has no bytes until the end must buffer them on disk. It yields an empty block with
    the number of rows for each batch, so that the export shows progress.
    """

    def write(self, batch: Records | Chunk) -> Iterator[Block]:
        """Yield the blocks of a batch.

        The batch is a `Records` only if `Format.copy_options` returns options.
        """

    def finish(self) -> Iterator[Block]:
        """Yield the blocks after the last row. The file must be valid even if there are no rows."""

    def close(self) -> None:
        """Release resources. This is also called if the export fails."""


class Format(Protocol):
    """An output format.

    `name` is the value of `format` in a request, and also the name of the request field that contains its
    options. `media_types` maps each possible file extension, without the dot, to its media type.
    `options_type` is the Pydantic type that describes the options in the OpenAPI document.
    """

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def media_types(self) -> Mapping[str, str]: ...
    @property
    def options_type(self) -> Any: ...
    @property
    def options_description(self) -> str: ...

    def parse_options(self, value: object) -> Any:
        """Parse the request field into a dataclass. None means the defaults.

        Raises InvalidOptions.
        """

    def extension(self, options: Any, rows: int) -> str:
        """Return the file extension for this number of rows. It is a key of `media_types`."""

    def copy_options(self, options: Any) -> CsvOptions | None:
        """Return the CSV options for PostgreSQL's COPY, if the writer can use its records unchanged.

        Return None if the writer needs typed chunks from every database.
        """

    def writer(self, options: Any, output: Output) -> Writer: ...

    def container(self, options: Any, output: Output) -> Container:
        """Return the container for the bytes of the file, such as `Bare`, which leaves them unchanged."""
