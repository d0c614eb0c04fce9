"""CSV text: one record, quoted like PostgreSQL's COPY, and the guard against formulas."""

import re
from collections.abc import Iterable

from flows.formats.csv.options import CsvOptions

BYTE_ORDER_MARK = "\ufeff".encode()


def record(cells: Iterable[str | None], options: CsvOptions) -> str:
    """Return one line with the bytes of PostgreSQL's COPY: null is nothing, an empty string is `""`."""
    delimiter = options.delimiter
    texts = ["" if cell is None else _quoted(cell, delimiter) for cell in cells]
    if texts == ["\\."]:  # alone on a line, COPY FROM would stop reading there
        texts = ['"\\."']
    return delimiter.join(texts) + options.line_end


def _quoted(cell: str, delimiter: str) -> str:
    """Quote a cell where PostgreSQL's COPY does."""
    if cell and not ('"' in cell or delimiter in cell or "\n" in cell or "\r" in cell):
        return cell
    return '"' + cell.replace('"', '""') + '"'


# Spreadsheets read a cell that starts with one of these as a formula:
# https://owasp.org/www-community/attacks/CSV_Injection
# At the start of a file, U+FEFF is a byte order mark that is dropped before the formula.
FORMULA_STARTS = "=+-@\t\r\n\ufeff"
GUARD = "'"
# In the syntax that Python's and PostgreSQL's regular expressions share.
PLAIN_NUMBER = r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?"
_PLAIN_NUMBER = re.compile(PLAIN_NUMBER)
# Where a spreadsheet with another list separator starts a cell that is a formula, in the same shared syntax.
INNER_FORMULA_START = "[;,\t|\r\n][=+@-]"
INNER_FORMULA = f"([;,\t|\r\n])(?=[=+@-])(?!{PLAIN_NUMBER}([;,\t|\r\n]|$))"
INNER_GUARD = rf"\1{GUARD}"
_INNER_FORMULA = re.compile(INNER_FORMULA)


def guarded(text: str) -> str:
    """Return text that no spreadsheet runs. Numbers stay as they are, or a sum of them would be 0."""
    if text[:1] in FORMULA_STARTS and text and not _PLAIN_NUMBER.fullmatch(text):
        text = GUARD + text
    return _INNER_FORMULA.sub(INNER_GUARD, text)


def with_decimal_mark(number: str, options: CsvOptions) -> str:
    """Replace the decimal point of a number's text; NaN and Infinity have none."""
    return number.replace(".", options.decimal_mark)
