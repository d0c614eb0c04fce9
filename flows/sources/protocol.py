"""Define the protocol for row sources.

To add a source, write a module with the two functions of `RowSource` and add it to the list in `choose`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Protocol

from flows.errors import RowsLimit
from flows.query import statement
from flows.query.request import ExportRequest
from flows.rows.pipeline import Chunk, Opening, Records
from flows.sources.keys import key_check
from flows.sources.snapshot import Snapshot


@dataclass(frozen=True)
class Reading:
    """An export request and the snapshot from which its rows are read.

    `max_rows` is the limit set by the operator. 0 means no limit.
    """

    snapshot: Snapshot
    request: ExportRequest
    clock: Callable[[], datetime]
    max_rows: int = 0

    @cached_property
    def opening(self) -> Opening:
        """Count the rows and resolve the columns.

        Raises RowsLimit if there are too many rows, and KeyInvalid if a key is null or repeated.
        """
        questions = self.snapshot.questions(
            statement.questions(self.request), statement.choices(self.request)
        )
        columns = statement.output_columns(self.request, questions)
        expected = key_check.count_rows(self.snapshot, self.request)
        check_rows(expected, self.request.report.max_rows, self.max_rows)
        read = statement.columns_to_read(self.request, columns, questions)
        return Opening(expected, self.snapshot.taken_at, columns, read)


def check_rows(expected: int, *limits: int | None) -> None:
    """Raise RowsLimit if `expected` exceeds the lowest of the limits. Limits of None or 0 are ignored."""
    limit = min(filter(None, limits), default=expected)
    if expected > limit:
        size = f"The export would contain {expected:,} rows; the limit is {limit:,}."
        raise RowsLimit(f"{size} Narrow the filters or dates.")


class RowSource(Protocol):
    """Reads a request's rows from one kind of database."""

    def can_read(self, reading: Reading) -> bool:
        """Return whether this source can read the rows exactly and is worth its overhead."""

    def rows(self, reading: Reading) -> Iterator[Opening | Records | Chunk]:
        """Yield the opening, followed by all rows in the order that the request specifies.

        A source may yield `Records` only if `request.copy_options` is set, and must render them with these
        options. A source that takes a new snapshot yields an opening for that snapshot.
        """
