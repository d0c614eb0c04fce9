"""Escape text for the XML of a workbook."""

import re

import pyarrow as pa
import pyarrow.compute as pc

from flows.errors import UnwritableValue
from flows.rows.arrow_columns import TEXT

MAX_CHARACTERS = 32_767
# XML cannot contain these control characters. In a workbook, they are written in the format _x0001_. Text
# that already looks like this is escaped, too.
_CONTROLS = r"\x00-\x08\x0b\x0c\x0e-\x1f"
_NEEDS_ESCAPE = rf"[&<>\r{_CONTROLS}\x{{fffe}}\x{{ffff}}]|_x[0-9A-Fa-f]{{4}}_"
_CODED = re.compile(rf"[{_CONTROLS}\ufffe\uffff]|_(?=x[0-9A-Fa-f]{{4}}_)")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"})


def excel_length(text: str) -> int:
    """Return the length of the text in UTF-16 code units, as Excel counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def escape(text: str) -> str:
    coded = _CODED.sub(lambda match: f"_x{ord(match.group()):04X}_", text)
    return coded.translate(_ENTITIES)


def escape_all(texts: pa.Array) -> pa.Array:
    """Escape each string. Raises UnwritableValue if a string is too long for a cell."""
    _check_lengths(texts)
    matching = pc.match_substring_regex(texts, _NEEDS_ESCAPE).fill_null(False)
    if matching.true_count == 0:
        return texts
    escaped = [escape(text) for text in texts.filter(matching).to_pylist()]
    return pc.replace_with_mask(texts, matching, pa.array(escaped, TEXT))


def _check_lengths(texts: pa.Array) -> None:
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    if longest <= MAX_CHARACTERS:
        return
    for text in texts.to_pylist():
        if text is not None and (characters := excel_length(text)) > MAX_CHARACTERS:
            raise UnwritableValue(f"{characters:,} characters; a cell of a workbook holds {MAX_CHARACTERS:,}")
