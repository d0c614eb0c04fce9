"""Read a report's table in the same way as the API, but without running the API."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
from sqlalchemy import Engine

from api.settings import ApiSettings
from api.tables.source import Page, Source
from flows.query.request import ExportRequest
from tests.support.engines import now


@contextmanager
def table_source(engine: Engine) -> Iterator[Source]:
    url = engine.url.render_as_string(hide_password=False)
    source = Source(ApiSettings(database_url=url, storage_url="file:///nowhere"), now)
    yield source
    source.close()


def rows_by_pages(source: Source, request: ExportRequest, size: int = 200) -> list[dict[str, Any]]:
    """Read all pages of the table by following the cursors, and return the rows."""
    rows: list[dict[str, Any]] = []
    cursor = None
    while True:
        page: Page = anyio.run(source.page, request, size, 1, cursor)
        rows += page.rows
        cursor = page.next_cursor
        assert len(rows) <= page.total, "the cursor repeats rows"
        if cursor is None:
            return rows
