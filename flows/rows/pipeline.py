"""Define the items that the tasks of an export pass to each other."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Generic, TypeVar

from flows.errors import ExportError
from flows.rows.columns import OutputColumn

if TYPE_CHECKING:
    from flows.rows.arrow_columns import Values

T = TypeVar("T")


class Stream(Generic[T]):
    """Wraps a generator to hide it from Prefect.

    Prefect inspects the collections that a task receives. It would iterate over a generator and exhaust it.
    """

    __slots__ = ("_items",)

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[T]:
        return self._items


@dataclass(frozen=True, slots=True)
class Opening:
    """The first item in an export's stream of rows.

    `expected` is the exact number of rows, and `snapshot_at` is the time of the snapshot. `columns` contains
    the columns of the file. `read` contains the columns of the chunks. These are the columns of the file,
    followed by the columns that only the report's transform needs.
    """

    expected: int
    snapshot_at: datetime
    columns: list[OutputColumn]
    read: list[OutputColumn]


@dataclass(frozen=True, slots=True)
class Records:
    """Complete CSV records as rendered by PostgreSQL's COPY."""

    rows: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows as typed columns.

    `keys` contains the values of the report's key. They identify rows in error messages. Each column is an
    Arrow array, or a list of Python values if Arrow has no exact type for one of the values. The same column
    may be an array in one chunk and a list in the next. The types depend on `OutputColumn.type`:

                    array               list
    integer         int64               int
    number          float64             Decimal, float
    boolean         bool                bool
    date            date32              date
    date-time       timestamp[us]       datetime
    string, uuid    large_string        str, UUID, bytes
    time            -                   time
    json            large_string        str

    Arrays of timestamps have no time zone. They are in UTC if the column has a time zone. A list may also
    contain aware timestamps. A value that Python cannot represent, such as an infinite date, appears as the
    text that the database prints. A null value is null in an array and None in a list.
    """

    values: Sequence["Values"]
    keys: "Values"

    @property
    def rows(self) -> int:
        return len(self.keys)

    def first_columns(self, count: int) -> "Chunk":
        return Chunk(self.values[:count], self.keys)

    def slice(self, start: int, stop: int) -> "Chunk":
        return Chunk([values[start:stop] for values in self.values], self.keys[start:stop])


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes of an output file, before compression.

    `rows` is the number of rows that the writer consumed for this block. `file` is the number of the output
    file, starting from 0. It is always 0 unless the format splits rows into several files.
    """

    rows: int
    data: bytes
    file: int = 0


@dataclass(frozen=True, slots=True)
class FirstRows:
    """The column labels and the first few rows, as text for the run's page in Prefect."""

    rows: list[list[str]]


@contextmanager
def ended(items: Generator[T, None, None]) -> Iterator[Generator[T, None, None]]:
    """Close the generator at the end of the `with` block, even if another task failed.

    Otherwise Python would close it at exit, and Prefect would hang. Prefect reports the end of a task from a
    new thread, and threads cannot be started at exit.
    """
    try:
        yield items
    finally:
        with suppress(ExportError):  # If closing fails, an error in another task is the actual cause.
            items.close()
