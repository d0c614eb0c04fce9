"""Preview an export by counting its rows, estimating its size and reading its first rows."""

from typing import Any

from api.exports.answers import DryRun
from api.tables.answers import Column
from api.tables.source import Page, Source
from flows.query.request import ExportRequest

SAMPLE_ROWS = 20


async def preview(request: ExportRequest, source: Source) -> DryRun:
    page = await source.page(request, SAMPLE_ROWS, 1, None)
    return DryRun(
        rows=page.total,
        estimated_bytes=estimated_bytes(page),
        file_name=request.file_name(page.total),
        columns=[Column.of(column) for column in page.columns],
        sample=page.rows,
    )


def estimated_bytes(page: Page) -> int:
    """Estimate the uncompressed size of the file from the average size of the page's rows."""
    header = sum(len(column.label.encode()) + 1 for column in page.columns)
    sizes = [sum(len(_text(value).encode()) + 1 for value in row.values()) for row in page.rows]
    return header + round(page.total * sum(sizes) / len(sizes)) if sizes else header


def _text(value: Any) -> str:
    return "" if value is None else str(value)
