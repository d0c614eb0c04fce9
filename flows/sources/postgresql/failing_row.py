"""Which row PostgreSQL's COPY could not render, and which of its columns: PostgreSQL does not say.

Nor does the number of rows that it had sent, for it may compute the cells before it sorts the rows. So the
rows are halved by the report's key until one is left, in the same snapshot; that reads them about twice.
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
from sqlalchemy.types import UserDefinedType

from flows.errors import ExportError, UnreadableRow
from flows.query import statement
from flows.query.request import ExportRequest
from flows.rows.columns import OutputColumn
from flows.sources.postgresql import copy_rows
from flows.sources.snapshot import Snapshot

MOST_SECONDS = 300

logger = logging.getLogger(__name__)


class Verbatim(UserDefinedType[str]):
    """A value as PostgreSQL prints it, parsed by PostgreSQL as the type it is compared with."""

    cache_ok = True


@contextmanager
def told(taken: Snapshot, request: ExportRequest, columns: Sequence[OutputColumn]) -> Iterator[None]:
    """A COPY that fails for a value's sake fails as UnreadableRow with key and column, if they are found."""
    try:
        yield
    except psycopg.DataError as failure:
        row = _found(taken, request, columns)
        if row is None:
            raise
        raise row from failure


def _found(taken: Snapshot, request: ExportRequest, columns: Sequence[OutputColumn]) -> UnreadableRow | None:
    try:
        return _Search(taken, request).row(columns)
    except (psycopg.Error, DBAPIError, ExportError):
        logger.warning("the row that cannot be rendered was not found", exc_info=True)
        return None


@dataclass(frozen=True)
class _Keys:
    """Those above one and up to another, as PostgreSQL prints them; None is no limit."""

    above: str | None = None
    up_to: str | None = None

    def clause(self, key: ColumnElement[Any]) -> ColumnElement[bool]:
        above = true() if self.above is None else key > _verbatim(self.above)
        return and_(above, true() if self.up_to is None else key <= _verbatim(self.up_to))


def _verbatim(key: str) -> ColumnElement[Any]:
    return bindparam(None, key, type_=Verbatim(), unique=True)


class _Search:
    def __init__(self, taken: Snapshot, request: ExportRequest) -> None:
        self._taken, self._request = taken, request
        self._until = monotonic() + min(MOST_SECONDS, taken.session.statement_seconds)
        self._go_back()

    def row(self, columns: Sequence[OutputColumn]) -> UnreadableRow | None:
        """None when no rows fail either: cells were then computed for others, as for a window over all."""
        rows, last = self._middle(_Keys(), 1.0)
        if not rows or self._fails(columns, _Keys(above=last)):
            return None
        keys, key = self._narrowed(columns)
        column = next((each for each in columns if self._fails([each], keys)), None)
        return None if column is None else UnreadableRow.at(column.key, key)

    def _narrowed(self, columns: Sequence[OutputColumn]) -> tuple[_Keys, str]:
        """Down to one row that fails; that some row does is known."""
        keys = _Keys()
        while True:
            rows, middle = self._middle(keys, 0.5)
            if rows <= 1:
                return keys, middle
            lower = replace(keys, up_to=middle)
            keys = lower if self._fails(columns, lower) else replace(keys, above=middle)

    def _middle(self, keys: _Keys, fraction: float) -> tuple[int, str]:
        """How many rows have these keys, and the key that so large a part of them does not exceed."""
        self._taken.allow_until(self._until)
        found = statement.rows(self._request, [self._request.report.key.label("key")]).order_by(None)
        key: ColumnElement[Any] = found.subquery().c.key
        middle = cast(func.percentile_disc(fraction).within_group(key), Text)
        wanted = select(func.count(), middle).where(keys.clause(key))
        rows, printed = self._taken.connection.execute(wanted).one()
        return int(rows), str(printed)

    def _fails(self, columns: Sequence[OutputColumn], keys: _Keys) -> bool:
        self._taken.allow_until(self._until)
        rows = copy_rows.select_rows(self._request, columns).order_by(None)
        rows = rows.add_columns(self._request.report.key.label("key"))
        *cells, key = rows.subquery().c
        try:
            for _ in copy_rows.copied(
                self._taken, select(*cells).where(keys.clause(key)), self._request.dialect
            ):
                pass
        except psycopg.DataError:
            self._go_back()
            return True
        return False

    def _go_back(self) -> None:
        if self._taken.driver.info.transaction_status == TransactionStatus.INERROR:
            self._taken.driver.execute(f"ROLLBACK TO SAVEPOINT {copy_rows.BEFORE_COPY}")
