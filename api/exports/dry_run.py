"""Preview an export by counting its rows, estimating its size and reading its first rows."""

from typing import Any

from api.exports.answers import DryRun
from api.tables.answers import Column
from api.tables.languages import Languages
from api.tables.source import Page, Source
from flows.formats.protocol import TextSize
from flows.query.request import ExportRequest

SAMPLE_ROWS = 20


async def preview(request: ExportRequest, source: Source, languages: Languages) -> DryRun:
    page = await source.preview(request, SAMPLE_ROWS)
    return DryRun(
        rows=page.total,
        estimated_bytes=request.format.estimated_bytes(request.options, text_size(page)),
        file_name=request.file_name(page.total),
        columns=[Column.of(column, languages) for column in page.columns],
        sample=page.rows,
        lines=page.lines,
    )


def text_size(page: Page) -> TextSize:
    """Estimate how large the file would be as plain CSV, based on the average size of the rows in `page`."""
    header = sum(len(column.label.encode()) + 1 for column in page.columns)
    sizes = [sum(len(_text(value).encode()) + 1 for value in row.values()) for row in page.rows]
    average = sum(sizes) / len(sizes) if sizes else 0
    # In JSON, each key is enclosed in quotes and followed by a colon.
    keys = sum(len(column.key.encode()) + len('"":') for column in page.columns)
    return TextSize(page.total, header + round(page.total * average), keys)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
