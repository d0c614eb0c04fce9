"""What the tasks of an export pull from each other."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from flows.errors import ExportError
from flows.rows.arrow_columns import Values
from flows.rows.columns import OutputColumn

T = TypeVar("T")


class Stream(Generic[T]):
    __slots__ = ("_items",)

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[T]:
        return self._items


@dataclass(frozen=True, slots=True)
class Opening:
    """What comes before the rows: how many there will be, of which moment, in which columns.

    `read` are the columns of the batches: those of the file, then what only a transform sees.
    """

    expected: int
    snapshot_at: datetime
    columns: list[OutputColumn]
    read: list[OutputColumn]


@dataclass(frozen=True, slots=True)
class Records:
    """Whole CSV records, as PostgreSQL's COPY rendered them."""

    rows: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows as typed columns: an Arrow array or a list of Python values per column.

    `keys` are the values of the report's key, which name a row in errors.
    """

    values: list[Values]
    keys: Values

    @property
    def rows(self) -> int:
        return len(self.keys)

    def first_columns(self, count: int) -> "Chunk":
        return Chunk(self.values[:count], self.keys)


@dataclass(frozen=True, slots=True)
class Block:
    """Some whole records, before they are packed; the header is not one of them."""

    rows: int
    data: bytes


@contextmanager
def ended(items: Generator[T, None, None]) -> Iterator[Generator[T, None, None]]:
    """Ended here when another task has failed. Left to Python's own end, Prefect would hang in it: it starts
    a thread to report the task, and none can start any more."""
    try:
        yield items
    finally:
        with suppress(ExportError):  # not the failure that counts
            items.close()
