"""Format CSV records like PostgreSQL's COPY, and prevent spreadsheets from running cells as formulas."""

import re
from collections.abc import Iterable

from flows.formats.csv.options import CsvOptions

BYTE_ORDER_MARK = "\ufeff".encode()


def record(cells: Iterable[str | None], options: CsvOptions) -> str:
    """Return one CSV record, byte for byte as PostgreSQL's COPY would write it.

    Null becomes an empty field, and an empty string becomes `""`.
    """
    delimiter = options.delimiter
    texts = ["" if cell is None else _quoted(cell, delimiter) for cell in cells]
    if texts == ["\\."]:  # COPY FROM would stop reading at an unquoted \. on a line by itself.
        texts = ['"\\."']
    return delimiter.join(texts) + options.line_end


def _quoted(cell: str, delimiter: str) -> str:
    """Quote the cell if PostgreSQL's COPY would quote it."""
    if cell and not ('"' in cell or delimiter in cell or "\n" in cell or "\r" in cell):
        return cell
    return '"' + cell.replace('"', '""') + '"'


# Spreadsheets treat a cell that starts with one of these characters as a formula. U+FEFF is included because,
# at the start of a file, spreadsheets treat it as a byte order mark and ignore it. See
# https://owasp.org/www-community/attacks/CSV_Injection.
FORMULA_STARTS = "=+-@\t\r\n\ufeff"
GUARD = "'"
# This pattern uses only syntax that Python and PostgreSQL have in common.
PLAIN_NUMBER = r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?"
_PLAIN_NUMBER = re.compile(PLAIN_NUMBER)
# A spreadsheet may treat a semicolon, comma, tab, pipe or line break as a separator and start a new cell
# after it. A quotation mark between the separator and the formula offers no protection: CSV doubles it, and
# the spreadsheet reads the pair as an empty string. These patterns also use only syntax that Python and
# PostgreSQL have in common.
INNER_FORMULA_START = '[;,\t|\r\n]"*[=+@-]'
INNER_FORMULA = f'([;,\t|\r\n]"*)(?=[=+@-])(?!{PLAIN_NUMBER}([;,\t|\r\n]|$))'
INNER_GUARD = rf"\1{GUARD}"
_INNER_FORMULA = re.compile(INNER_FORMULA)
# This pattern matches text that a spreadsheet reads as a number and displays differently. Examples are 007,
# +34600, 1e5 and numbers with more than 15 digits. The pattern uses only syntax that Python, Arrow and
# PostgreSQL have in common.
TEXT_NUMBER = r"[+][0-9]+|-?(0[0-9]+|[0-9]{16,}|[0-9]+[eE][+-]?[0-9]+)"
_TEXT_NUMBER = re.compile(TEXT_NUMBER)


def guarded(text: str, options: CsvOptions) -> str:
    """Guard the text if the options require it and a spreadsheet would misinterpret it."""
    if options.text_numbers == "guard" and _TEXT_NUMBER.fullmatch(text):
        return GUARD + text
    return without_formulas(text) if options.formula_guard else text


def without_formulas(text: str) -> str:
    """Return the text, guarded so that no spreadsheet runs it as a formula.

    Numbers are unchanged, because a spreadsheet would treat a guarded number as text and sum it as 0.
    """
    if text[:1] in FORMULA_STARTS and text and not _PLAIN_NUMBER.fullmatch(text):
        text = GUARD + text
    return _INNER_FORMULA.sub(INNER_GUARD, text)


def with_decimal_mark(number: str, options: CsvOptions) -> str:
    """Replace the decimal point in the text of a number with the decimal mark from the options."""
    return number.replace(".", options.decimal_mark)
