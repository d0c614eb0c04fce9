"""Rows from MariaDB as one text each: its driver in Python takes as long for each value as for a row of one.

From the first rows on that cannot be read so exactly, the driver's own values are read.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import MINYEAR, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Label,
    LargeBinary,
    PickleType,
    Select,
    Text,
    case,
    func,
    literal_column,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from flows.query import statement
from flows.query.request import ExportRequest
from flows.rows.arrow_columns import MOMENT, TEXT, Values, unpacked
from flows.rows.columns import OutputColumn
from flows.rows.pipeline import Chunk
from flows.sources import sqlalchemy_rows
from flows.sources.snapshot import Snapshot
from flows.sources.sqlalchemy_rows import Read, Rows

_SEPARATOR = "\x1f"  # of a text that holds one, the record has a cell too many
_MARK = "+"
_NO_TEXT_IS_SO_LONG = 1 << 40  # without an end, Arrow asks for negative memory
_NULL = pa.scalar(None, TEXT)
_NO_COMMON_CHARACTER_SET = (1267, 1270, 1271)
_FIRST_MOMENT = pa.scalar(datetime(MINYEAR, 1, 1), MOMENT)  # noqa: DTZ001 - as the columns have them

logger = logging.getLogger(__name__)


class Irregular(Exception):
    """These rows hold something that only the driver reads exactly."""


def can_read(taken: Snapshot, request: ExportRequest, columns: Sequence[OutputColumn]) -> bool:
    """Whether the columns may stand inside of an expression."""
    kinds = [*(each.expression.type for each in columns), request.report.key.type]
    is_mariadb = bool(getattr(taken.connection.dialect, "is_mariadb", False))
    # Of a DISTINCT the texts would be compared.
    return is_mariadb and not request.report.select._distinct and all(map(_is_sqlalchemys, kinds))


def _is_sqlalchemys(kind: TypeEngine[Any]) -> bool:
    """A type of somebody's own may be selected through a function."""
    return type(kind).__module__.startswith("sqlalchemy.") and not isinstance(kind, LargeBinary | PickleType)


def fetch(taken: Snapshot, request: ExportRequest, columns: Sequence[OutputColumn]) -> Iterator[Chunk]:
    """No chunk crosses a file's last row."""
    expressions = sqlalchemy_rows.expressions(columns, request.report.key)
    driver_types = _driver_types(taken, statement.rows(request, expressions))
    done = 0
    if all(each in _TYPES for each in driver_types):
        record = _record(expressions, driver_types).label("record")
        reads = partial(_reads, taken, expressions, driver_types, columns)
        try:
            rows = statement.rows(request, [record])
            for chunk in sqlalchemy_rows.fetch_as(reads, taken, rows, request.dialect):
                yield chunk
                done += chunk.rows
            return
        except Irregular:
            logger.info("from row %d on the driver's own values are read", done + 1, exc_info=True)
        except DBAPIError as error:
            if done or not error.orig or error.orig.args[0] not in _NO_COMMON_CHARACTER_SET:
                raise
    rows = statement.rows(request, expressions)
    rows = rows.offset(done) if done else rows
    yield from sqlalchemy_rows.fetch(taken, rows, columns, request.dialect, done)


def _driver_types(taken: Snapshot, rows: Select[Any]) -> list[int]:
    """What the columns really are, whatever the report says."""
    with taken.connection.execute(rows.order_by(None).limit(0)) as nothing:
        cursor: Any = nothing.cursor
        return [described[1] for described in cursor.description]


def _record(expressions: Sequence[ColumnElement[Any]], driver_types: Sequence[int]) -> ColumnElement[Any]:
    cells = [
        _cell(each.element if isinstance(each, Label) else each, is_text=_TYPES[kind] is _texts)
        for each, kind in zip(expressions, driver_types, strict=True)
    ]
    return func.concat_ws(literal_column(f"'{_SEPARATOR}'"), *cells, type_=Text)


def _cell(expression: ColumnElement[Any], is_text: bool) -> ColumnElement[Any]:
    """Empty for NULL. A text has a mark before it, which says that there is one."""
    nothing: ColumnElement[Any] = literal_column("''")
    if not is_text:
        return func.ifnull(expression, nothing, type_=Text)
    # Longer than a packet CONCAT gives NULL: then there is no cell, and too few are noticed.
    no_text = case((expression.is_(None), nothing))
    return func.ifnull(func.concat(literal_column(f"'{_MARK}'"), expression, type_=Text), no_text, type_=Text)


def _reads(
    taken: Snapshot,
    expressions: Sequence[ColumnElement[Any]],
    driver_types: Sequence[int],
    columns: Sequence[OutputColumn],
    _: CursorResult[Any],
) -> Callable[[Rows], Chunk]:
    dialect = taken.connection.dialect
    readers: list[Read] = [
        sqlalchemy_rows.reader(each.type, dialect, kind)
        for each, kind in zip(expressions, driver_types, strict=True)
    ]

    def read(rows: Rows) -> Chunk:
        return sqlalchemy_rows.chunk_of_columns(_columns(rows, driver_types), columns, readers)

    return read


def _columns(rows: Rows, driver_types: Sequence[int]) -> list[Values]:
    """The values that the driver would have given."""
    records = [record for (record,) in rows]
    if set(map(type, records)) != {str}:  # bytes among texts, or more than a packet takes
        raise Irregular
    try:
        cells = _cells(pa.array(records, TEXT), len(driver_types))
        return [_TYPES[kind](each) for kind, each in zip(driver_types, cells, strict=True)]
    except ValueError as error:
        raise Irregular from error


def _cells(records: pa.Array, count: int) -> list[pa.Array]:
    """Of each column; where nothing is in a cell, NULL."""
    if not pc.all(pc.equal(pc.count_substring(records, _SEPARATOR), count - 1)).as_py():
        raise Irregular
    cells = pc.split_pattern(records, _SEPARATOR).flatten()
    cells = pc.if_else(pc.equal(cells, ""), _NULL, cells)
    return [cells.take(pa.array(np.arange(first, len(cells), count))) for first in range(count)]


def _texts(cells: pa.Array) -> Values:
    return pc.binary_slice(cells.view(pa.large_binary()), len(_MARK), _NO_TEXT_IS_SO_LONG).view(TEXT)


def _numbers(texts: pa.Array) -> Values:
    return texts.cast(pa.int64())


def _floats(texts: pa.Array) -> Values:
    return texts.cast(pa.float64())


def _decimals(texts: pa.Array) -> Values:
    return [None if text is None else Decimal(text) for text in unpacked(texts)]


def _moments(texts: pa.Array) -> Values:
    return _since_year_one(texts.cast(MOMENT))


def _days(texts: pa.Array) -> Values:
    return _since_year_one(texts.cast(pa.date32()))


def _since_year_one(found: pa.Array) -> pa.Array:
    if pc.any(pc.less(found.cast(MOMENT), _FIRST_MOMENT)).as_py():
        raise Irregular
    return found


# By the number that the protocol has for a type: https://mariadb.com/kb/en/result-set-packets/#field-types
_TYPES: dict[int, Callable[[pa.Array], Values]] = {
    **dict.fromkeys((1, 2, 3, 8, 9), _numbers),
    5: _floats,
    246: _decimals,
    **dict.fromkeys((7, 12), _moments),
    10: _days,
    **dict.fromkeys((249, 250, 251, 252, 253, 254), _texts),
}
