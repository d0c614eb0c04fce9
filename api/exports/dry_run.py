"""A dry run: how many rows an export would have, about how large it would be, and its first rows."""

from collections.abc import Sequence
from typing import Any

from api.tables.source import Page, Source
from flows.errors import InvalidRequest, escape_pointer
from flows.query.request import ExportRequest

SAMPLE_ROWS = 20


def is_dry_run(query: Sequence[tuple[str, str]]) -> bool:
    for name, value in query:
        if name != "dryRun":
            raise InvalidRequest.at(f"/{escape_pointer(name)}", "unknown", "There is no such parameter.")
        if value not in ("true", "false"):
            raise InvalidRequest.at("/dryRun", "invalid", "It must be true or false.")
    if len(query) > 1:
        raise InvalidRequest.at("/dryRun", "duplicate", "The parameter is given twice.")
    return bool(query) and query[0][1] == "true"


async def preview(request: ExportRequest, source: Source) -> dict[str, Any]:
    page = await source.page(request, SAMPLE_ROWS, 1, None)
    columns = [{"key": each.key, "label": each.label, "type": each.type} for each in page.columns]
    return {
        "rows": page.total,
        "estimatedBytes": estimated_bytes(page),
        "fileName": request.file_name(page.total),
        "columns": columns,
        "sample": page.rows,
    }


def estimated_bytes(page: Page) -> int:
    """Uncompressed, from the rows of the page: none of them may be like the others."""
    header = sum(len(column.label.encode()) + 1 for column in page.columns)
    sizes = [sum(len(_text(value).encode()) + 1 for value in row.values()) for row in page.rows]
    return header + round(page.total * sum(sizes) / len(sizes)) if sizes else header


def _text(value: Any) -> str:
    return "" if value is None else str(value)
