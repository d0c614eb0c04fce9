"""The items that the tasks of an export pull from each other."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from flows.errors import ExportError
from flows.rows.arrow_columns import Values
from flows.rows.columns import OutputColumn

T = TypeVar("T")


class Stream(Generic[T]):
    """Hides a generator from Prefect, which would drain it: it looks into collections it is passed."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[T]:
        return self._items


@dataclass(frozen=True, slots=True)
class Opening:
    """The first item: the exact number of rows, the snapshot's time, and the columns.

    `columns` are those of the file. `read` are those of the chunks: the same, followed by the ones that only
    the report's transform sees.
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
    """Rows as typed columns; `keys` are the values of the report's key, which name a row in errors.

    Each column is an Arrow array, or a list of Python values where Arrow has no exact type for one of them.
    A column may be an array in one chunk and a list in the next. By `OutputColumn.type`:

    integer         int64, or int
    number          float64, or Decimal, float
    boolean         bool
    date            date32, or date
    date-time       timestamp[us] without a zone, or datetime; zoned columns are in UTC, lists may hold
                    aware values
    string, uuid    large_string, or str, UUID, bytes
    time, json      lists of time, and of decoded JSON, where numbers with a point are Decimals

    A value that Python cannot hold, such as an infinite date, is the database's text for it. Null is null in
    an array and None in a list.
    """

    values: Sequence[Values]
    keys: Values

    @property
    def rows(self) -> int:
        return len(self.keys)

    def first_columns(self, count: int) -> "Chunk":
        return Chunk(self.values[:count], self.keys)

    def slice(self, start: int, stop: int) -> "Chunk":
        return Chunk([values[start:stop] for values in self.values], self.keys[start:stop])


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes of an output file, before they are compressed.

    `rows` is how many rows the writer took for it. `file` is the number of the file, from 0; only a format
    that splits rows over several files increases it.
    """

    rows: int
    data: bytes
    file: int = 0


@dataclass(frozen=True, slots=True)
class FirstRows:
    """The labels and a few rows as text, for the run's page in Prefect."""

    rows: list[list[str]]


@contextmanager
def ended(items: Generator[T, None, None]) -> Iterator[Generator[T, None, None]]:
    """Close the generator with the block, in case another task failed.

    If Python closed it at exit, Prefect would hang: it starts a thread to report the task, and no thread can
    start any more.
    """
    try:
        yield items
    finally:
        with suppress(ExportError):  # the other task's failure is the cause
            items.close()
