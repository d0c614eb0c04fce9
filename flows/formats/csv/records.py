"""Build the CSV records of a chunk, column by column.

Calling `text.record` for each row would produce the same result but take twenty times as long. Most columns
of a chunk contain no value that needs quotes, and checking a column for such values takes a single pass over
its bytes.
"""

from collections.abc import Sequence
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.formats.csv.options import CsvOptions
from flows.formats.csv.text import record
from flows.rows.arrow_columns import TEXT, Flags, Offsets, data, flags, offsets


def records(columns: Sequence[pa.Array], options: CsvOptions) -> bytes:
    """Return the records of a chunk.

    The columns are arrays of large strings, and all arrays have the same length.
    """
    if len(columns) == 1:  # In a file with one column, a `\.` cell must be quoted.
        return "".join(record([cell], options) for cell in columns[0].to_pylist()).encode()
    *others, last = (_cells(column, options) for column in columns)
    last = _joined(last, options.line_end, "")
    return data(_joined(*others, last, options.delimiter))


def _joined(*arrays_and_separator: pa.Array | str) -> pa.Array:
    """Join arrays element by element.

    The last argument is the separator. Nulls are treated as empty strings.
    """
    *parts, separator = arrays_and_separator
    parts = [pa.scalar(part, TEXT) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(
        *parts, pa.scalar(separator, TEXT), null_handling="replace", null_replacement=""
    )


def _cells(texts: pa.Array, options: CsvOptions) -> pa.Array:
    joined, begins = data(texts), offsets(texts)
    is_empty = _not_null(texts, np.diff(begins) == 0)
    if marks := _marks(joined, options):
        needs_quotes = _not_null(texts, _have_marks(joined, begins - begins[0], marks))
        texts = _quoted(texts, pa.array(needs_quotes), '"' in marks)
    return pc.if_else(pa.array(is_empty), pa.scalar('""', TEXT), texts) if is_empty.any() else texts


def _marks(joined: bytes, options: CsvOptions) -> list[str]:
    """Return the characters in `joined` that make PostgreSQL's COPY quote a value."""
    return [mark for mark in ('"', "\n", "\r", options.delimiter) if mark.encode() in joined]


def _have_marks(joined: bytes, begins: Offsets, marks: Sequence[str]) -> Flags:
    """Flag each string that contains one of the marks.

    `joined` contains the concatenated strings, and `begins` contains their offsets.
    """
    codes = np.frombuffer(joined, np.uint8)
    places = np.flatnonzero(reduce(np.logical_or, (codes == ord(mark) for mark in marks)))
    have_marks = np.zeros(len(begins) - 1, np.bool_)
    have_marks[np.searchsorted(begins[1:], places, side="right")] = True
    return have_marks


def _not_null(texts: pa.Array, mask: Flags) -> Flags:
    """Set the mask to False wherever the text is null, because the bytes of a null are undefined."""
    return mask & flags(texts.is_valid()) if texts.null_count else mask


def _quoted(texts: pa.Array, mask: pa.Array, has_quotes: bool) -> pa.Array:
    inner = texts.filter(mask)
    doubled = pc.replace_substring(inner, '"', '""') if has_quotes else inner
    return pc.replace_with_mask(texts, mask, _joined('"', doubled, '"', ""))
