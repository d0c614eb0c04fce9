"""Define the protocols that output formats implement."""

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
    """File metadata that is known before the first row is read.

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


@dataclass(frozen=True)
class TextSize:
    """The estimated size of a file as plain CSV.

    `keys` is the number of bytes that the column keys would add to each row in JSON Lines.
    """

    rows: int
    bytes: int
    keys: int


class Writer(Protocol):
    """Converts rows to the blocks of a file.

    The file consists of the blocks from `write`, followed by the blocks from `finish`. Memory use must stay
    constant. A writer that produces no bytes until the end must buffer its data on disk. For each batch, such
    a writer yields a block that has no data but states the number of rows, so that the export shows progress.
    """

    def write(self, batch: Records | Chunk) -> Iterator[Block]:
        """Convert a batch to blocks.

        The batch is a `Records` object only if `Format.copy_options` returns options.
        """

    def finish(self) -> Iterator[Block]:
        """Yield the blocks that follow the last row. The file must be valid even if there are no rows."""

    def close(self) -> None:
        """Release resources. This method is called even if the export fails."""


class Format(Protocol):
    """An output format.

    `name` is the value of `format` in a request. It is also the name of the request field that contains the
    format's options. `media_types` maps each possible file extension, without the dot, to a media type.
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
        """Parse the value of the request field into a dataclass. None means the defaults.

        Raises InvalidOptions if the value is invalid.
        """

    def with_codebook(self, options: Any) -> Any:
        """Return the options for a file with a codebook.

        Raises InvalidOptions if the file cannot contain one.
        """

    def extension(self, options: Any, rows: int) -> str:
        """Return the file extension for this number of rows. The extension is a key of `media_types`."""

    def estimated_bytes(self, options: Any, text: TextSize) -> int:
        """Estimate the size of the file from its estimated size as plain CSV."""

    def copy_options(self, options: Any) -> CsvOptions | None:
        """Return the CSV options for PostgreSQL's COPY, or None.

        Options are returned only if the writer can use the records from COPY unchanged. If the result is
        None, the writer receives typed chunks, even from PostgreSQL.
        """

    def writer(self, options: Any, output: Output) -> Writer: ...

    def container(self, options: Any, output: Output) -> Container:
        """Return the container that packs the bytes of the file. `Bare` leaves them unchanged."""
