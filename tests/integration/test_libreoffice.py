"""Test that LibreOffice reads every cell as intended, from workbooks and from CSV files for Excel."""

import subprocess
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as XML

from tests.support import golden_rows
from tests.support.engines import file_from_snapshot
from tests.support.golden import FOLDER
from tests.support.sample_report import things_snapshot
from tests.support.system_programs import require_program

NAMES = {name: f"urn:oasis:names:tc:opendocument:xmlns:{name}:1.0" for name in ("table", "office", "text")}
# LibreOffice's CSV filter takes these options in order: delimiter, quote, encoding (UTF-8), first line,
# column types, language, whether quoted values are text, and whether to detect dates.
IMPORT = "CSV:{delimiter},34,76,1,,{language},false,true"
ENGLISH, GERMAN = 1033, 1031
WORKBOOK = "Calc MS Excel 2007 XML"
CONVERT_SECONDS = 120

Row = list[Any]

EMPTY = None
# LibreOffice saves booleans from a workbook as formulas.
BOOLEANS = {"of:=TRUE()": True, "of:=FALSE()": False}
HEADER = [
    *("Id", "Made at (Europe/Berlin)", "Words", "Whole", "Large", "Price", "Rate", "Yes", "Day", "Hour"),
    *("Mark", "Extra", "Which?", "Which ones?"),
]
ROWS: list[Row] = [
    [
        *(1, datetime.fromisoformat("2024-07-19T14:30:15"), 'a "quoted", comma; a semicolon\nand a line', 3),
        9.22337203685478e18,  # Spreadsheets keep 15 digits.
        *(9.9, 1e15, True, date(2024, 7, 9), time(9, 5), "899e1228-d7b8-40fc-8490-70e6f1efb338"),
        *('{"a": [null, "ü"], "bb": 1.5}', "שלום 😀", "one; two, three"),
    ],
    [2, datetime.fromisoformat("2024-07-20T02:00:00")],
    [
        *(3, datetime.fromisoformat("2024-10-27T02:30:00"), EMPTY, -3, EMPTY, -1234.5, -0.25, False),
        *(date(1969, 12, 31), EMPTY, EMPTY, "{}"),
    ],
    [
        *(4, datetime.fromisoformat("2024-10-27T02:30:00"), '\'=HYPERLINK("x")', EMPTY, EMPTY, EMPTY),
        *(1.5e-07, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, -5, "'@one; two"),
    ],
    [5, datetime.fromisoformat("2024-10-28T01:00:00"), "'-5+3", *[EMPTY] * 9, "'+34 600", "'=x"],
    [6, datetime.fromisoformat("2024-10-29T01:00:00"), "'\ttab", *[EMPTY] * 9, -0.5, "'\nline"],
]


def open_in_libreoffice(file: Path, import_filter: str, folder: Path) -> list[Row]:
    office = [
        require_program("soffice"),
        f"-env:UserInstallation={(folder / 'profile').as_uri()}",
        "--headless",
    ]
    convert = ["--infilter=" + import_filter, "--convert-to", "fods", "--outdir", str(folder), str(file)]
    subprocess.run([*office, *convert], check=True, capture_output=True, timeout=CONVERT_SECONDS)  # noqa: S603
    document = XML.parse(folder / f"{file.stem}.fods")  # noqa: S314 - written by LibreOffice
    first_sheet = document.find(".//table:table", NAMES)
    assert first_sheet is not None
    return [[*cells(row)] for row in first_sheet.iterfind(".//table:table-row", NAMES)]


def cells(row: XML.Element) -> Iterator[Any]:
    """Yield the cell values of a row, omitting empty cells at the end."""
    empty = 0
    for cell in row.iterfind("table:table-cell", NAMES):
        repeated = int(attribute(cell, "table", "number-columns-repeated") or 1)
        if attribute(cell, "office", "value-type") is None:
            empty += repeated
        else:
            yield from [EMPTY] * empty
            yield from [value(cell)] * repeated
            empty = 0


def value(cell: XML.Element) -> Any:
    if (formula := attribute(cell, "table", "formula")) is not None:
        return BOOLEANS[formula]
    kind = attribute(cell, "office", "value-type")
    if kind == "float":
        return float(attribute(cell, "office", "value") or "")
    if kind == "boolean":
        return attribute(cell, "office", "boolean-value") == "true"
    if kind == "date":
        text = attribute(cell, "office", "date-value") or ""
        return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)
    if kind == "time":
        duration = (attribute(cell, "office", "time-value") or "").removeprefix("PT").rstrip("S")
        return time.fromisoformat(duration.replace("H", ":").replace("M", ":"))
    assert kind == "string"
    return "\n".join(text_of(line) for line in cell.iterfind("text:p", NAMES))


def text_of(line: XML.Element) -> str:
    text = line.text or ""
    for part in line:
        content = {"tab": "\t", "s": " "}.get(part.tag.partition("}")[2], text_of(part))
        text += content + (part.tail or "")
    return text


def attribute(element: XML.Element, space: str, name: str) -> str | None:
    return element.get(f"{{{NAMES[space]}}}{name}")


def in_german(cell: Any) -> Any:
    """Return the value as LibreOffice reads it in the German locale.

    Booleans are read as text. JSON numbers are also read as text if they contain a decimal point, because
    German uses a comma.
    """
    return str(cell).lower() if cell is True or cell is False or cell == -0.5 else cell


def typed(rows: list[Row]) -> list[list[str]]:
    """Return the cells as strings, so that True does not compare equal to 1."""
    return [[repr(float(cell) if type(cell) is int else cell) for cell in row] for row in rows]


def test_every_cell_has_the_intended_value(tmp_path: Path) -> None:
    rows = open_in_libreoffice(
        FOLDER / "excel.csv", IMPORT.format(delimiter=ord(","), language=ENGLISH), tmp_path
    )
    assert typed(rows) == typed([HEADER, *ROWS])


def test_every_cell_with_a_decimal_comma_has_the_intended_value(tmp_path: Path) -> None:
    import_filter = IMPORT.format(delimiter=ord(";"), language=GERMAN)
    rows = open_in_libreoffice(FOLDER / "excel_comma.csv", import_filter, tmp_path)
    assert typed(rows) == typed([HEADER, *([in_german(cell) for cell in row] for row in ROWS)])


def in_workbook(row: Row) -> Row:
    """Return the row as LibreOffice reads it from a workbook.

    Workbooks keep all digits and carriage returns, have no formula guards, and store answers as text.
    """
    cells = [*row, *[EMPTY] * (len(HEADER) - len(row))]
    cells = [cell.removeprefix("'") if type(cell) is str else cell for cell in cells]
    cells[4] = cells[4] and "9223372036854775807"
    cells[9] = cells[9] and "09:05:00"
    cells[13] = "\rline" if cells[13] == "\nline" else cells[13]
    cells[12] = str(cells[12]) if type(cells[12]) in (int, float) else cells[12]
    return cells


def test_every_cell_of_a_workbook_has_the_stored_value(tmp_path: Path) -> None:
    file = tmp_path / "things.xlsx"
    with things_snapshot(golden_rows.ROWS) as snap:
        file.write_bytes(file_from_snapshot(snap, golden_rows.request_with(format="xlsx")))
    rows = open_in_libreoffice(file, WORKBOOK, tmp_path)
    padded = [[*row, *[EMPTY] * (len(HEADER) - len(row))] for row in rows]
    assert typed(padded) == typed([HEADER, *map(in_workbook, ROWS)])
