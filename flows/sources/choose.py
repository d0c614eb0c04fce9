"""The sources, in the order in which they are tried."""

from collections.abc import Iterator

from flows.rows.pipeline import Chunk, Opening, Records
from flows.sources import sqlalchemy_rows
from flows.sources.mariadb import concat_chunks
from flows.sources.postgresql import copy_chunks, copy_rows
from flows.sources.protocol import Reading, RowSource
from flows.sources.sqlite import adbc_chunks

# Fast paths first; the last source reads from every database.
SOURCES: list[RowSource] = [copy_rows, copy_chunks, adbc_chunks, concat_chunks, sqlalchemy_rows]


def rows(reading: Reading) -> Iterator[Opening | Records | Chunk]:
    """Yield the opening and all rows from the first source that can read them."""
    return next(source for source in SOURCES if source.can_read(reading)).rows(reading)
