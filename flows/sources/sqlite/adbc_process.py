"""Read the rows of one SELECT from an SQLite file through ADBC and write them as an Arrow stream.

This module runs as a child process because two copies of the SQLite library in one process (Python's and
ADBC's) would release each other's file locks (https://www.sqlite.org/howtocorrupt.html, 2.2.1). It imports
none of our other modules, so that it starts quickly.

Standard input contains one JSON value per line. The first value is an object with `uri` and `batch_rows`. It
is followed by any number of BEGIN and END commands, which take and release a snapshot. The process responds
to each command with one line. The last value is the object that `adbc_query.order` returns. It contains the
SELECT.

If a value has the wrong type or an error occurs, the stream ends early and the parent reads the remaining
rows itself. The process exits when its standard input is closed.
"""

import json
import os
import sys
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from threading import Thread
from typing import Any, BinaryIO

import adbc_driver_sqlite
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_manager import AdbcConnection, AdbcStatement, Error

# ADBC derives a column's type from its first values, so the SELECT replaces nulls. In a float column, a null
# becomes 0.0 and is marked in a second column. In a text column, a null becomes a special byte string.
# Integer columns may contain nulls.
INTEGER, FLOAT, TEXT = "integer", "float", "text"
BEGIN, END = "begin", "end"
DONE, BUSY = b"done\n", b"busy\n"
NULL_BEGINS = 0xFF  # This byte never occurs in UTF-8.
# To convert Python values, pyarrow would import pandas, which takes a second. pa.nulls() avoids this.
_NULL_TEXT, _NULL_FLOAT = (pa.nulls(1, kind)[0] for kind in (pa.binary(), pa.float64()))

# This limit is lower than Python's default, to make up for the parent's deeper call stack. Both processes
# therefore fail on the same documents.
_RECURSION_LIMIT = 500
_LARGE_TEXT = pa.large_string()
_Order = dict[str, Any]


class Irregular(Exception):
    """A value cannot be read exactly in this process, so the parent must read the rows."""


def checked(batches: Iterable[pa.RecordBatch], order: _Order) -> Iterator[pa.RecordBatch]:
    """Check and convert the batches that the query in `order` returns.

    `order` contains the kind of each column, the number of answers, and the hex digits of the byte string
    that stands for null. A batch contains the values of the columns, then the answers as JSON, then the whole
    document if there are any answers, and finally a column that is null for regular rows.

    Raises Irregular if this process cannot read a value exactly.
    """
    null = _scalar(bytes.fromhex(order["null"]))
    for batch in batches:
        columns = iter(batch.columns)
        arrays = [_READ[kind](columns, null) for kind in order["kinds"]]
        answers = [_text(columns, null) for _ in range(order["answers"])]
        if answers:
            _check_documents(_text(columns, null), answers)
        if next(columns).null_count < len(batch):
            raise Irregular
        arrays += answers
        yield pa.record_batch(arrays, names=[str(number) for number in range(len(arrays))])


def _scalar(value: bytes) -> pa.Scalar:
    ends = pa.py_buffer(np.array([0, len(value)], np.int32))
    return pa.Array.from_buffers(pa.binary(), 1, [None, ends, pa.py_buffer(value)])[0]


def _integer(columns: Iterator[pa.Array], _: pa.Scalar) -> pa.Array:
    return _of(pa.int64(), next(columns))


def _float(columns: Iterator[pa.Array], _: pa.Scalar) -> pa.Array:
    values, is_null = _of(pa.float64(), next(columns)), _of(pa.int64(), next(columns))
    return pc.if_else(is_null.cast(pa.bool_()), _NULL_FLOAT, values)


def _of(kind: pa.DataType, values: pa.Array) -> pa.Array:
    if values.type != kind:
        raise Irregular
    return values


def _text(columns: Iterator[pa.Array], null: pa.Scalar) -> pa.Array:
    """Return the next column as text.

    Raises an error if the text is not valid UTF-8.
    """
    texts = next(columns)
    if texts.type not in (pa.string(), pa.binary()):
        raise Irregular
    texts = texts.view(pa.binary())
    texts.validate(full=True)
    if _codes(texts).max(initial=0) == NULL_BEGINS:
        texts = pc.if_else(pc.equal(texts, null), _NULL_TEXT, texts)
    return texts.cast(_LARGE_TEXT)


def _codes(texts: pa.Array) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    buffer = texts.buffers()[2]
    return np.frombuffer(b"" if buffer is None else buffer, np.uint8)


_READ: dict[str, Callable[[Iterator[pa.Array], pa.Scalar], pa.Array]] = {
    INTEGER: _integer,
    FLOAT: _float,
    TEXT: _text,
}


def _check_documents(documents: pa.Array, answers: list[pa.Array]) -> None:
    """Raise Irregular if a document contains the same key twice.

    SQLite would return the first value and Python the last. A document with no more keys than answers cannot
    contain a duplicate, so only documents that seem to have more keys are decoded. Even these may contain no
    duplicate: a string may contain a colon, or a key may belong to no question.
    """
    if _codes(documents).min(initial=1) == 0:  # SQLite treats a null byte as the end of the text.
        raise Irregular
    answered = np.sum([np.diff(_offsets(texts)) > 0 for texts in answers], axis=0)
    suspects = [documents[row].as_py() for row in np.flatnonzero(_max_keys(documents) > answered).tolist()]
    _CHECK_KEYS.decode(f"[{','.join(suspects)}]")


def _max_keys(documents: pa.Array) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return an upper bound for the number of keys in each document.

    The bound is the number of colons that follow a quote or whitespace.
    """
    codes = _codes(documents)
    colons = np.flatnonzero(codes == ord(":"))
    before = codes[colons - 1]
    ends = colons[(before == ord('"')) | (before <= ord(" "))]
    return np.diff(np.searchsorted(ends, _offsets(documents)))


def _offsets(texts: pa.Array) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.frombuffer(texts.buffers()[1], np.int64)[: len(texts) + 1]


def _check_members(members: list[tuple[str, object]]) -> None:
    if len({key for key, _ in members}) < len(members):
        raise Irregular


_CHECK_KEYS = json.JSONDecoder(object_pairs_hook=_check_members, parse_float=Decimal)


def main(commands: BinaryIO, stream: BinaryIO) -> None:
    sys.setrecursionlimit(_RECURSION_LIMIT)
    start = json.loads(commands.readline())
    with adbc_driver_sqlite.connect(start["uri"]) as database, AdbcConnection(database) as connection:
        connection.set_autocommit(False)
        while (order := json.loads(commands.readline())) in (BEGIN, END):
            connection.rollback()
            stream.write(DONE if order == END or _can_read(connection) else BUSY)
            stream.flush()
        Thread(target=_exit_with, args=[commands.fileno()], daemon=True).start()
        with _executed(connection, order["sql"], order["parameters"], start["batch_rows"]) as batches:
            _write(checked(_read_ahead(batches), order), stream)


def _read_ahead(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Let SQLite read the next batch while the current one is checked and written."""
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(next, batches, None)
        while (batch := pending.result()) is not None:
            pending = pool.submit(next, batches, None)
            yield batch


def _can_read(connection: AdbcConnection) -> bool:
    """Take the snapshot and return True, or return False if another connection is writing."""
    try:
        with _executed(connection, "SELECT count(*) FROM sqlite_master", "", 1) as batches:
            batches.read_all()
    except Error:
        return False
    return True


@contextmanager
def _executed(
    connection: AdbcConnection, sql: str, parameters: str, batch_rows: int
) -> Iterator[pa.RecordBatchReader]:
    with AdbcStatement(connection) as query:
        query.set_options(**{adbc_driver_sqlite.StatementOptions.BATCH_ROWS.value: str(batch_rows)})
        query.set_sql_query(sql)
        if parameters:
            query.bind(pa.ipc.open_stream(b64decode(parameters)).read_next_batch())
        stream, _ = query.execute_query()
        with pa.RecordBatchReader.from_stream(stream) as batches:
            yield batches


def _write(batches: Iterator[pa.RecordBatch], stream: BinaryIO) -> None:
    first = next(batches, None)
    if first is None:
        return
    with pa.ipc.new_stream(stream, first.schema) as writer:
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(batch)


def _exit_with(commands: int) -> None:
    """Exit when the parent closes standard input, even during a query."""
    while os.read(commands, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
