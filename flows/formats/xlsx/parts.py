"""Build the XML of a workbook, except for its rows."""

import json
import re
from collections.abc import Iterator, Sequence

from flows.formats import codebook
from flows.formats.csv.options import EXCEL_ROWS
from flows.formats.protocol import Output
from flows.formats.xlsx import cells
from flows.formats.xlsx.xml_text import MAX_CHARACTERS, escape

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_CONTENT = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_ABOUT = "About"
_MAX_NAME = 31
_FORBIDDEN_IN_NAME = re.compile(r"[\[\]:*?/\\\x00-\x1f]")
_WIDTHS = {"boolean": 8, "integer": 12, "number": 14, "date": 12, "date-time": 20, "uuid": 38}
_TEXT_WIDTH, _MAX_WIDTH = 24, 60
SHEET_END = "</worksheet>"


def sheet_count(rows: int) -> int:
    return max(1, -(-rows // EXCEL_ROWS))


def fixed_parts(output: Output, headers: Sequence[str], has_codebook: bool) -> Iterator[tuple[str, str]]:
    """Yield the name and content of each part, except for the sheets that contain the rows."""
    others = {codebook.NAME: _codebook} if has_codebook else {}
    others[_ABOUT] = _about
    names = [*_sheet_names(output), *others]
    yield "[Content_Types].xml", _content_types(len(names))
    yield "_rels/.rels", _relations([("officeDocument", "xl/workbook.xml")])
    yield "xl/workbook.xml", _workbook(names, output, len(headers))
    sheets = [("worksheet", f"worksheets/sheet{number + 1}.xml") for number in range(len(names))]
    yield "xl/_rels/workbook.xml.rels", _relations([*sheets, ("styles", "styles.xml")])
    yield "xl/styles.xml", _STYLES
    for number, content in enumerate(others.values(), start=len(names) - len(others)):
        yield sheet_part(number), content(output)


def sheet_part(number: int) -> str:
    return f"xl/worksheets/sheet{number + 1}.xml"


def sheet_begin(output: Output, headers: Sequence[str], is_first: bool) -> str:
    """Return the XML that precedes the rows of a sheet, including the column widths and the frozen header."""
    widths = "".join(
        f'<col min="{number}" max="{number}" width="{_width(column.type, header)}" customWidth="1"/>'
        for number, (column, header) in enumerate(zip(output.columns, headers, strict=True), start=1)
    )
    selected = ' tabSelected="1"' if is_first else ""
    header_cells = "".join(cells.text_cell(header, cells.HEADER_STYLE) for header in headers)
    return (
        f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView{selected} workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
        f"<cols>{widths}</cols><sheetData><row>{header_cells}</row>\n"
    )


def sheet_end(columns: int, rows: int) -> str:
    """Return the XML that follows the rows of a sheet, including the filter."""
    return f'</sheetData><autoFilter ref="A1:{column_name(columns)}{rows + 1}"/>{SHEET_END}'


def rows_of_sheet(output: Output, number: int) -> int:
    return min(EXCEL_ROWS, output.rows - number * EXCEL_ROWS)


def column_name(number: int) -> str:
    """Return the letters for a column number, such as A for 1 or AA for 27."""
    name = ""
    while number:
        number, letter = divmod(number - 1, 26)
        name = chr(ord("A") + letter) + name
    return name


def _width(kind: str, header: str) -> int:
    # The header needs space for the filter button.
    return min(_MAX_WIDTH, max(_WIDTHS.get(kind, _TEXT_WIDTH), len(header) + 4))


def _sheet_names(output: Output) -> list[str]:
    title = _FORBIDDEN_IN_NAME.sub(" ", output.title).strip("' ") or "Rows"
    # Excel reserves the sheet name History.
    if title.casefold() in (_ABOUT.casefold(), codebook.NAME.casefold(), "history"):
        title = f"{title} rows"
    suffixes = [f" {number}" if number > 1 else "" for number in range(1, sheet_count(output.rows) + 1)]
    return [f"{_cut(title, _MAX_NAME - len(suffix))}{suffix}" for suffix in suffixes]


def _cut(title: str, characters: int) -> str:
    """Shorten the title to at most this many UTF-16 code units.

    Excel counts each code unit as a character.
    """
    return title.encode("utf-16-le")[: 2 * characters].decode("utf-16-le", "ignore").strip("' ")


def _content_types(sheets: int) -> str:
    parts = [("/xl/workbook.xml", "sheet.main"), ("/xl/styles.xml", "styles")]
    parts += [(f"/{sheet_part(number)}", "worksheet") for number in range(sheets)]
    overrides = "".join(
        f'<Override PartName="{name}" ContentType="{_CONTENT}.{kind}+xml"/>' for name, kind in parts
    )
    return (
        f'{_XML}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>'
    )


def _relations(targets: Sequence[tuple[str, str]]) -> str:
    relations = "".join(
        f'<Relationship Id="rId{number}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, start=1)
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{relations}</Relationships>'


def _workbook(names: Sequence[str], output: Output, columns: int) -> str:
    sheets = "".join(
        f'<sheet name="{escape(name)}" sheetId="{number}" r:id="rId{number}"/>'
        for number, name in enumerate(names, start=1)
    )
    filters = "".join(
        f'<definedName name="_xlnm._FilterDatabase" localSheetId="{number}" hidden="1">'
        f"{escape(_quoted(name))}!$A$1:${column_name(columns)}${rows_of_sheet(output, number) + 1}"
        "</definedName>"
        for number, name in enumerate(names[: sheet_count(output.rows)])
    )
    return (
        f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><bookViews><workbookView/></bookViews>'
        f"<sheets>{sheets}</sheets><definedNames>{filters}</definedNames></workbook>"
    )


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _codebook(output: Output) -> str:
    """Return the XML of the sheet that describes the columns."""
    _, *records = codebook.records(output.columns)
    first = "".join(cells.text_cell(name, cells.HEADER_STYLE) for name in codebook.HEADER)
    body = "".join(f"<row>{''.join(map(_optional_cell, record))}</row>\n" for record in records)
    pane = '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
    widths = f'<col min="1" max="{len(codebook.HEADER)}" width="{_TEXT_WIDTH}" customWidth="1"/>'
    return (
        f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">{pane}</sheetView>'
        f"</sheetViews><cols>{widths}</cols><sheetData><row>{first}</row>\n{body}</sheetData>{SHEET_END}"
    )


def _optional_cell(text: str | None) -> str:
    return cells.EMPTY if text is None else cells.text_cell(text)


def _about(output: Output) -> str:
    """Return the XML of the sheet that describes the export."""
    rows = [
        ("Title", output.title),
        ("Snapshot", output.snapshot_at.isoformat()),
        ("Time zone", output.zone.key),
    ]
    request = [(key, _request_text(value)) for key, value in output.request.items()]
    lines = [(key, part) for key, text in [*rows, *request] for part in _parts(text)]
    body = "".join(
        f"<row>{cells.text_cell(key, cells.HEADER_STYLE)}{cells.text_cell(text)}</row>" for key, text in lines
    )
    count = f"<row>{cells.text_cell('Rows', cells.HEADER_STYLE)}{cells.number_cell(output.rows)}</row>"
    columns = (
        '<col min="1" max="1" width="20" customWidth="1"/><col min="2" max="2" width="80" customWidth="1"/>'
    )
    return (
        f'{_XML}<worksheet xmlns="{_MAIN}"><cols>{columns}</cols>'
        f"<sheetData>{count}{body}</sheetData>{SHEET_END}"
    )


def _request_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _parts(text: str) -> list[str]:
    """Split text that is too long for a single cell."""
    size = MAX_CHARACTERS // 2  # Excel may count a character as two.
    return [text[start : start + size] for start in range(0, len(text), size)] or [""]


_STYLES = (
    f'{_XML}<styleSheet xmlns="{_MAIN}"><numFmts count="2">'
    '<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/>'
    '<numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="4"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)
