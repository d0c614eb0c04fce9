"""Convert the JSON answers from SQLite's `->` operator to cell text, one column at a time.

The result is the same as if `cell_text` converted each value separately.
"""

import sys
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.formats import cell_text
from flows.rows.arrow_columns import TEXT, Flags, Offsets, data, flags, offsets
from flows.rows.columns import Question
from flows.rows.json_documents import READ_JSON

_Codes: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.uint8]]"

_MAX_DIGITS = sys.int_info.str_digits_check_threshold  # Python's digit limit cannot be set lower than this.


def texts(answers: pa.Array, question: Question) -> pa.Array:
    """Convert answers to cell text.

    If the column shows whether a certain choice was selected, the text is 1 or 0. `answers` is a
    `large_string` array of JSON without spaces between tokens. An empty string means that the question was
    not answered.
    """
    if question.is_recoded:
        return _one_by_one([answer or "null" for answer in answers.to_pylist()], question)
    joined = data(answers)
    first = _first_codes(joined, offsets(answers))
    is_text, is_plain, is_missing = first == ord('"'), _are_plain(answers, joined, first), _are_null(first)
    are_choices = np.zeros(len(answers), np.bool_)
    if question.multiple:
        are_choices = _are_choices(answers)
        is_missing |= flags(pc.equal(answers, "[]"))
    if b"\\" in joined:
        escaped = flags(pc.match_substring(answers, "\\"))
        is_text, are_choices = is_text & ~escaped, are_choices & ~escaped
    converted = _replace(answers, is_missing, lambda: pa.nulls(1, TEXT)[0])
    converted = _replace(converted, is_text, lambda: _strip(answers, 1))
    converted = _replace(
        converted, are_choices, lambda: pc.replace_substring(_strip(answers, 2), '","', "; ")
    )
    rest = ~(is_text | is_plain | is_missing | are_choices)
    if not rest.any():
        return converted
    mask = pa.array(rest)
    return pc.replace_with_mask(converted, mask, _one_by_one(answers.filter(mask).to_pylist(), question))


def _replace(texts: pa.Array, where: Flags, replacement: Callable[[], pa.Array | pa.Scalar]) -> pa.Array:
    return pc.if_else(pa.array(where), replacement(), texts) if where.any() else texts


def _one_by_one(answers: Sequence[str], question: Question) -> pa.Array:
    values = READ_JSON(f"[{','.join(answers)}]")
    kind = TEXT if question.selected is None else pa.int64()
    return pa.array(cell_text.answer_texts(values, question), kind)


def _first_codes(joined: bytes, begins: Offsets) -> _Codes:
    """Return the first byte of each string, or 0 for an empty string."""
    codes = np.frombuffer(joined or b"\0", np.uint8)
    places = np.minimum(begins[:-1] - begins[0], len(codes) - 1)
    first: _Codes = codes[places] * (np.diff(begins) > 0)
    return first


def _are_null(first: _Codes) -> Flags:
    are_null: Flags = (first == 0) | (first == ord("n"))
    return are_null


def _are_plain(answers: pa.Array, joined: bytes, first: _Codes) -> Flags:
    """Flag answers that are printed unchanged, namely booleans and unsigned numbers without an exponent."""
    is_short = np.diff(offsets(answers)) <= _MAX_DIGITS
    is_digit: Flags = (first >= ord("0")) & (first <= ord("9")) & is_short
    if is_digit.any() and (b"e" in joined or b"E" in joined):
        is_digit &= ~flags(pc.match_substring(answers, "e", ignore_case=True))
    are_plain: Flags = is_digit | (first == ord("t")) | (first == ord("f"))
    return are_plain


def _are_choices(answers: pa.Array) -> Flags:
    """Flag answers that are non-empty lists of strings.

    The caller excludes answers with backslashes, so every quote starts or ends a string.
    """
    candidates = flags(pc.starts_with(answers, '["')) & flags(pc.ends_with(answers, '"]'))
    # Strip the opening quote along with the bracket. Otherwise, if the first choice is a comma, its JSON text
    # "," would be counted as a separator.
    inner = _strip(answers, 2)
    quotes, separators = (pc.count_substring(inner, token).to_numpy() for token in ('"', '","'))
    are_choices: Flags = candidates & (quotes == 2 * separators)
    return are_choices


def _strip(answers: pa.Array, size: int) -> pa.Array:
    """Remove `size` bytes from both ends of each answer."""
    return pc.binary_slice(answers.view(pa.large_binary()), size, -size).view(TEXT)
