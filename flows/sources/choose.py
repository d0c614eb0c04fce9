"""Choose the row source for a report's database."""

from collections.abc import Iterator

from flows.rows.pipeline import Chunk, Opening, Records
from flows.sources import sqlalchemy_rows
from flows.sources.mariadb import concat_chunks
from flows.sources.postgresql import copy_chunks, copy_rows
from flows.sources.protocol import Reading, RowSource
from flows.sources.sqlite import adbc_chunks

# The fast paths come first. The last source can read from every database.
SOURCES: list[RowSource] = [copy_rows, copy_chunks, adbc_chunks, concat_chunks, sqlalchemy_rows]


def rows(reading: Reading) -> Iterator[Opening | Records | Chunk]:
    """Yield an `Opening` and then all rows, using the first source that can read the rows."""
    return next(source for source in SOURCES if source.can_read(reading)).rows(reading)
