"""Many answers at once, as SQLite's `->` finds them: the texts that `cells` gives one by one. Pure."""

import sys
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.formats import cell_text
from flows.rows.arrow_columns import TEXT, Flags, Offsets, data, flags, offsets
from flows.rows.columns import Question

_Codes: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.uint8]]"

_MOST_DIGITS = sys.int_info.str_digits_check_threshold  # Python may be told to read no longer numbers


def texts(found: pa.Array, question: Question) -> pa.Array:
    """`found` are large strings of JSON without blanks between its marks; '' is no answer."""
    held = data(found)
    first = _first_codes(held, offsets(found))
    is_text, is_plain, is_missing = first == ord('"'), _are_plain(found, held, first), _are_null(first)
    are_choices = np.zeros(len(found), np.bool_)
    if question.multiple:
        are_choices = _are_choices(found)
        is_missing |= flags(pc.equal(found, "[]"))
    if b"\\" in held:
        escaped = flags(pc.match_substring(found, "\\"))
        is_text, are_choices = is_text & ~escaped, are_choices & ~escaped
    read = _put(found, is_missing, lambda: pa.nulls(1, TEXT)[0])
    read = _put(read, is_text, lambda: _without_ends(found, 1))
    read = _put(read, are_choices, lambda: pc.replace_substring(_without_ends(found, 2), '","', "; "))
    rest = ~(is_text | is_plain | is_missing | are_choices)
    if not rest.any():
        return read
    which = pa.array(rest)
    return pc.replace_with_mask(read, which, _one_by_one(found.filter(which).to_pylist(), question))


def _put(texts: pa.Array, where: Flags, made: Callable[[], pa.Array | pa.Scalar]) -> pa.Array:
    return pc.if_else(pa.array(where), made(), texts) if where.any() else texts


def _one_by_one(found: Sequence[str], question: Question) -> pa.Array:
    values = cell_text.READ_JSON(f"[{','.join(found)}]")
    return pa.array(cell_text.answer_texts(values, question), TEXT)


def _first_codes(held: bytes, begins: Offsets) -> _Codes:
    """0 of an empty text."""
    codes = np.frombuffer(held or b"\0", np.uint8)
    places = np.minimum(begins[:-1] - begins[0], len(codes) - 1)
    first: _Codes = codes[places] * (np.diff(begins) > 0)
    return first


def _are_null(first: _Codes) -> Flags:
    are_null: Flags = (first == 0) | (first == ord("n"))
    return are_null


def _are_plain(found: pa.Array, held: bytes, first: _Codes) -> Flags:
    """Truth values and positive numbers without an exponent are texts already."""
    is_short = np.diff(offsets(found)) <= _MOST_DIGITS
    is_digit: Flags = (first >= ord("0")) & (first <= ord("9")) & is_short
    if is_digit.any() and (b"e" in held or b"E" in held):
        is_digit &= ~flags(pc.match_substring(found, "e", ignore_case=True))
    are_plain: Flags = is_digit | (first == ord("t")) | (first == ord("f"))
    return are_plain


def _are_choices(found: pa.Array) -> Flags:
    """Lists of texts, one at least, where no text holds a backslash: each quote begins or ends one."""
    among = flags(pc.starts_with(found, '["')) & flags(pc.ends_with(found, '"]'))
    inner = _without_ends(found, 2)  # where a first choice that is a comma has no quote before it
    quotes, between = (pc.count_substring(inner, each).to_numpy() for each in ('"', '","'))
    are_choices: Flags = among & (quotes == 2 * between)
    return are_choices


def _without_ends(found: pa.Array, size: int) -> pa.Array:
    return pc.binary_slice(found.view(pa.large_binary()), size, -size).view(TEXT)
