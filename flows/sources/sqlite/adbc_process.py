"""A process of its own that reads one select of an SQLite file through ADBC and gives it as an Arrow stream.

A process, and not a thread: two copies of SQLite's library (Python's and ADBC's) in one process would drop
each other's file locks (https://www.sqlite.org/howtocorrupt.html, 2.2.1). It starts fast, for it imports none
of our modules.

Told in lines of JSON on its standard input: first `{"uri", "batch_rows"}`, then BEGIN or END as often as a
snapshot is to be taken or given up, each answered by a line, then the select, as `sqlite_select` orders it.
The stream ends early where a value is not of its column's kind, and at any error: who asked has another way
to read the rest. The process ends when its standard input does.
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

# What a column holds. Whole numbers come as they are, floats with 0.0 for NULL and then a column that says
# which are, texts with some bytes for NULL: ADBC takes a column's type from its first values.
INTEGER, FLOAT, TEXT = "integer", "float", "text"
BEGIN, END = "begin", "end"
DONE, BUSY = b"done\n", b"busy\n"
NULL_BEGINS = 0xFF  # which is in no text, in UTF-8
# Not from Python's values: pyarrow would load pandas to convert one, which takes a second.
_NO_TEXT, _NO_FLOAT = (pa.nulls(1, kind)[0] for kind in (pa.binary(), pa.float64()))

_MOST_DEEP = 500  # documents too deep for Python are so for this process, though it has less on its stack
_LARGE_TEXT = pa.large_string()
_Order = dict[str, Any]


class Irregular(Exception):
    """These rows hold something that only Python reads exactly."""


def batches(found: Iterable[pa.RecordBatch], order: _Order) -> Iterator[pa.RecordBatch]:
    """`order` is {"kinds": of the columns, "answers": how many columns of JSON follow them, "null": in hex}.

    Last come, if there are answers, the JSON that they are of, and always what is NULL for a regular row.
    """
    null = _scalar(bytes.fromhex(order["null"]))
    for batch in found:
        columns = iter(batch.columns)
        read = [_READ[kind](columns, null) for kind in order["kinds"]]
        answers = [_text(columns, null) for _ in range(order["answers"])]
        if answers:
            _check_documents(_text(columns, null), answers)
        if next(columns).null_count < len(batch):
            raise Irregular
        yield pa.record_batch(read + answers, names=[str(number) for number in range(len(read + answers))])


def _scalar(value: bytes) -> pa.Scalar:
    ends = pa.py_buffer(np.array([0, len(value)], np.int32))
    return pa.Array.from_buffers(pa.binary(), 1, [None, ends, pa.py_buffer(value)])[0]


def _integer(columns: Iterator[pa.Array], _: pa.Scalar) -> pa.Array:
    return _of(pa.int64(), next(columns))


def _float(columns: Iterator[pa.Array], _: pa.Scalar) -> pa.Array:
    values, is_null = _of(pa.float64(), next(columns)), _of(pa.int64(), next(columns))
    return pc.if_else(is_null.cast(pa.bool_()), _NO_FLOAT, values)


def _of(kind: pa.DataType, values: pa.Array) -> pa.Array:
    if values.type != kind:
        raise Irregular
    return values


def _text(columns: Iterator[pa.Array], null: pa.Scalar) -> pa.Array:
    """Proved to be UTF-8."""
    found = next(columns)
    if found.type not in (pa.string(), pa.binary()):
        raise Irregular
    found = found.view(pa.binary())
    found.validate(full=True)
    if _codes(found).max(initial=0) == NULL_BEGINS:
        found = pc.if_else(pc.equal(found, null), _NO_TEXT, found)
    return found.cast(_LARGE_TEXT)


def _codes(texts: pa.Array) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    buffer = texts.buffers()[2]
    return np.frombuffer(b"" if buffer is None else buffer, np.uint8)


_READ: dict[str, Callable[[Iterator[pa.Array], pa.Scalar], pa.Array]] = {
    INTEGER: _integer,
    FLOAT: _float,
    TEXT: _text,
}


def _check_documents(documents: pa.Array, answers: list[pa.Array]) -> None:
    """No document has a key twice: SQLite takes the first value, and Python the last.

    Each key is there once if no more keys can be counted than answers were found. What else looks like a key,
    in a text, or answers no question, is looked at.
    """
    if _codes(documents).min(initial=1) == 0:  # ends the text for SQLite
        raise Irregular
    found = np.sum([np.diff(_offsets(each)) > 0 for each in answers], axis=0)
    doubtful = [documents[row].as_py() for row in np.flatnonzero(_keys_at_most(documents) > found).tolist()]
    _KEYS_ARE_UNIQUE.decode(f"[{','.join(doubtful)}]")


def _keys_at_most(documents: pa.Array) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """How many colons have a quote or a blank before them, in each document."""
    codes = _codes(documents)
    colons = np.flatnonzero(codes == ord(":"))
    before = codes[colons - 1]
    ends = colons[(before == ord('"')) | (before <= ord(" "))]
    return np.diff(np.searchsorted(ends, _offsets(documents)))


def _offsets(texts: pa.Array) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.frombuffer(texts.buffers()[1], np.int64)[: len(texts) + 1]


def _unique(members: list[tuple[str, object]]) -> None:
    if len({key for key, _ in members}) < len(members):
        raise Irregular


_KEYS_ARE_UNIQUE = json.JSONDecoder(object_pairs_hook=_unique, parse_float=Decimal)  # which takes not all


def main(told: BinaryIO, stream: BinaryIO) -> None:
    sys.setrecursionlimit(_MOST_DEEP)
    start = json.loads(told.readline())
    with adbc_driver_sqlite.connect(start["uri"]) as database, AdbcConnection(database) as connection:
        connection.set_autocommit(False)
        while (order := json.loads(told.readline())) in (BEGIN, END):
            connection.rollback()
            stream.write(DONE if order == END or _can_read(connection) else BUSY)
            stream.flush()
        Thread(target=_end_with, args=[told.fileno()], daemon=True).start()
        with _executed(connection, order["sql"], order["parameters"], start["batch_rows"]) as found:
            _give(batches(_ahead(found), order), stream)


def _ahead(found: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """SQLite reads the next batch while this one is looked at and given away."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, found, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, found, None)
            yield batch


def _can_read(connection: AdbcConnection) -> bool:
    """Not while somebody writes. This takes the snapshot."""
    try:
        with _executed(connection, "SELECT count(*) FROM sqlite_master", "", 1) as found:
            found.read_all()
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
        with pa.RecordBatchReader.from_stream(stream) as found:
            yield found


def _give(found: Iterator[pa.RecordBatch], stream: BinaryIO) -> None:
    first = next(found, None)
    if first is None:
        return
    with pa.ipc.new_stream(stream, first.schema) as writer:
        writer.write_batch(first)
        for batch in found:
            writer.write_batch(batch)


def _end_with(told: int) -> None:
    while os.read(told, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
