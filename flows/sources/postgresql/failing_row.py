"""Find the row and column that caused PostgreSQL's COPY to fail.

PostgreSQL's error does not name them. The number of rows sent so far does not identify the row either,
because PostgreSQL may compute cells before it sorts the rows. This module therefore bisects the rows by the
report's key, in the same snapshot, until a single row is left. In total, it reads the rows about twice.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import ColumnElement, Text, and_, bindparam, cast, func, select, true
from sqlalchemy.exc import DBAPIError

from flows.errors import ExportError, UnreadableRow
from flows.formats.csv.options import CsvOptions
from flows.query import statement
from flows.query.bound_values import Verbatim
from flows.query.request import ExportRequest
from flows.rows.columns import OutputColumn
from flows.sources.postgresql import copy_out
from flows.sources.snapshot import Snapshot

MAX_SECONDS = 300

logger = logging.getLogger(__name__)


@contextmanager
def name_failing_row(
    snapshot: Snapshot, request: ExportRequest, columns: Sequence[OutputColumn], options: CsvOptions
) -> Iterator[None]:
    """If a value makes COPY fail, raise UnreadableRow with the row's key and the column.

    The original error is raised again if the row cannot be found.
    """
    try:
        yield
    except psycopg.DataError as failure:
        row = _find_row(snapshot, request, columns, options)
        if row is None:
            raise
        raise row from failure


def _find_row(
    snapshot: Snapshot, request: ExportRequest, columns: Sequence[OutputColumn], options: CsvOptions
) -> UnreadableRow | None:
    try:
        return _Search(snapshot, request, options).find(columns)
    except (psycopg.Error, DBAPIError, ExportError):
        logger.warning("could not find the row that COPY failed on", exc_info=True)
        return None


@dataclass(frozen=True)
class _KeyRange:
    """A range of keys, from `above` (exclusive) to `up_to` (inclusive).

    Keys are in PostgreSQL's text format. If a bound is None, the range is open at that end.
    """

    above: str | None = None
    up_to: str | None = None

    def clause(self, key: ColumnElement[Any]) -> ColumnElement[bool]:
        above = true() if self.above is None else key > _verbatim(self.above)
        return and_(above, true() if self.up_to is None else key <= _verbatim(self.up_to))


def _verbatim(key: str) -> ColumnElement[Any]:
    return bindparam(None, key, type_=Verbatim(), unique=True)


class _Search:
    def __init__(self, snapshot: Snapshot, request: ExportRequest, options: CsvOptions) -> None:
        self._snapshot, self._request, self._options = snapshot, request, options
        self._deadline = monotonic() + min(MAX_SECONDS, snapshot.session.statement_seconds)
        self._roll_back()

    def find(self, columns: Sequence[OutputColumn]) -> UnreadableRow | None:
        """Return the error for the first failing row, or None if no row fails on its own.

        A window function, for example, may fail only when it runs over all rows.
        """
        rows, last = self._count_and_split(_KeyRange(), 1.0)
        if not rows or self._fails(columns, _KeyRange(above=last)):
            return None
        keys, key = self._narrow(columns)
        column = next((column for column in columns if self._fails([column], keys)), None)
        return None if column is None else UnreadableRow.at(column.key, key)

    def _narrow(self, columns: Sequence[OutputColumn]) -> tuple[_KeyRange, str]:
        """Bisect the rows until a single failing row is left. At least one row must fail."""
        keys = _KeyRange()
        while True:
            rows, middle = self._count_and_split(keys, 0.5)
            if rows <= 1:
                return keys, middle
            lower = replace(keys, up_to=middle)
            keys = lower if self._fails(columns, lower) else replace(keys, above=middle)

    def _count_and_split(self, keys: _KeyRange, fraction: float) -> tuple[int, str]:
        """Return the number of rows in the range and the key that splits the range at `fraction`.

        For example, a fraction of 0.5 returns the median key.
        """
        self._snapshot.allow_until(self._deadline)
        rows = statement.rows(self._request, [self._request.report.key.label("key")]).order_by(None)
        key: ColumnElement[Any] = rows.subquery().c.key
        middle = cast(func.percentile_disc(fraction).within_group(key), Text)
        query = select(func.count(), middle).where(keys.clause(key))
        count, printed = self._snapshot.connection.execute(query).one()
        return int(count), str(printed)

    def _fails(self, columns: Sequence[OutputColumn], keys: _KeyRange) -> bool:
        self._snapshot.allow_until(self._deadline)
        rows = copy_out.select_rows(self._request, columns, self._options).order_by(None)
        rows = rows.add_columns(self._request.report.key.label("key"))
        *cells, key = rows.subquery().c
        try:
            for _ in copy_out.copy(self._snapshot, select(*cells).where(keys.clause(key)), self._options):
                pass
        except psycopg.DataError:
            self._roll_back()
            return True
        return False

    def _roll_back(self) -> None:
        if self._snapshot.driver.info.transaction_status == TransactionStatus.INERROR:
            self._snapshot.driver.execute(f"ROLLBACK TO SAVEPOINT {copy_out.BEFORE_COPY}")
