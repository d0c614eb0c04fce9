"""CSV text: one record, quoted as PostgreSQL's COPY quotes it, and the guard against formulas."""

import re
from collections.abc import Iterable

from flows.formats.csv_options import Dialect

BYTE_ORDER_MARK = "\ufeff".encode()


def record(cells: Iterable[str | None], dialect: Dialect) -> str:
    """One line, byte for byte as PostgreSQL's COPY writes it: NULL is nothing, `''` is `""`."""
    delimiter = dialect.delimiter
    texts = ["" if cell is None else _quoted(cell, delimiter) for cell in cells]
    if texts == ["\\."]:  # alone on its line it would end COPY FROM
        texts = ['"\\."']
    return delimiter.join(texts) + dialect.line_end


def _quoted(cell: str, delimiter: str) -> str:
    """Quoted where PostgreSQL's COPY would."""
    if cell and not ('"' in cell or delimiter in cell or "\n" in cell or "\r" in cell):
        return cell
    return '"' + cell.replace('"', '""') + '"'


# What spreadsheets take for the beginning of a formula, https://owasp.org/www-community/attacks/CSV_Injection
FORMULA_STARTS = "=+-@\t\r"
GUARD = "'"
# Valid in Python's and in PostgreSQL's regular expressions.
PLAIN_NUMBER = r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?"
_PLAIN_NUMBER = re.compile(PLAIN_NUMBER)


def guarded(text: str) -> str:
    """A text that no spreadsheet runs; numbers are spared, for a sum of texts would be 0."""
    if text[:1] in FORMULA_STARTS and text and not _PLAIN_NUMBER.fullmatch(text):
        return GUARD + text
    return text


def with_decimal_mark(number: str, dialect: Dialect) -> str:
    """`number` is the text of a number with a point; NaN and Infinity have none."""
    return number.replace(".", dialect.decimal_mark)
