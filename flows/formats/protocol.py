"""Protocols that an output format implements."""

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
    """Facts about the file that are known before the first row.

    `rows` is the exact number of rows, `name` the file name without extension, `request` the body of
    `POST /exports`. Date-times are written in `zone`.
    """

    columns: Sequence[OutputColumn]
    rows: int
    zone: ZoneInfo
    name: str
    title: str
    snapshot_at: datetime
    request: Mapping[str, Any]


class Writer(Protocol):
    """Turns rows into the bytes of a file: the blocks of `write` and `finish`, in order.

    Memory must stay constant. A writer whose bytes are ready only at the end keeps them on disk, and yields
    an empty block with the number of rows for each batch, so that the export shows progress.
    """

    def write(self, batch: Records | Chunk) -> Iterator[Block]:
        """Write a batch; it is `Records` only if `Format.copy_options` returns options."""

    def finish(self) -> Iterator[Block]:
        """Yield what follows the last row. A table without rows is a valid file, too."""

    def close(self) -> None:
        """Release resources; also called when the export fails."""


class Format(Protocol):
    """One output format.

    `name` is the value of `format` in a request, and the name of the request field with its options.
    `media_types` maps each extension that its files can have, without the dot, to the media type.
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
        """Parse the request field into a dataclass; None means the defaults. Raises InvalidOptions."""

    def extension(self, options: Any, rows: int) -> str:
        """Return the extension, a key of `media_types`, for a file with this many rows."""

    def copy_options(self, options: Any) -> CsvOptions | None:
        """Return the CSV options for PostgreSQL's COPY if the writer takes its records as they are.

        Return None if the writer needs typed chunks from every database.
        """

    def writer(self, options: Any, output: Output) -> Writer: ...

    def container(self, options: Any, output: Output) -> Container:
        """Return the container of the file's bytes; `Bare` leaves them unchanged."""
