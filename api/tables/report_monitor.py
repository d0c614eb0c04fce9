"""Disable the reports that do not match the database, and enable them again when they do."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from api.access.catalog import Catalog
from api.tables.source import Source
from flows.errors import DeclarationError, ExportError
from flows.query.report import Report
from flows.reports import BrokenReport, LoadedReports

CHECK_SECONDS = 60.0  # a missing table or permission may be added at any time

logger = logging.getLogger(__name__)


class ReportMonitor:
    def __init__(self, loaded: LoadedReports, source: Source, catalog: Catalog) -> None:
        self._loaded, self._source, self._catalog = loaded, source, catalog
        for report in loaded.broken:
            _log(report)

    @property
    def broken(self) -> list[BrokenReport]:
        """The reports with an invalid declaration, and those that do not match the database."""
        return [*self._loaded.broken, *self._catalog.disabled.values()]

    async def status(self) -> str:
        """Return the result of the `reports` check in /readyz."""
        return "degraded" if self.broken else "ok"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Check the reports immediately, and then once a minute until the block ends."""
        await asyncio.to_thread(self.check)
        task = asyncio.create_task(self._repeat())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            await asyncio.to_thread(self.check)

    def check(self) -> None:
        """Compare each report with its database, and enable or disable the report accordingly.

        Reports are left unchanged while their database cannot be reached.
        """
        unreachable: set[str] = set()
        for report in self._loaded.reports.values():
            if report.database in unreachable:
                continue
            try:
                self._check(report)
            except ExportError as error:
                unreachable.add(report.database)
                name = report.database or "REPORTS_DATABASE_URL"
                logger.warning("the reports were not compared with the database %s: %s", name, error)

    def _check(self, report: Report) -> None:
        try:
            self._enable(self._source.check_report(report))
        except ExportError:
            raise
        except DeclarationError as error:
            self._disable(report, str(error))
        except Exception as error:  # noqa: BLE001 - reports may use types and functions written by the user
            self._disable(report, f"{type(error).__name__}: {error}")

    def _enable(self, report: Report) -> None:
        self._catalog.update(report)
        if self._catalog.disabled.pop(report.name, None) is not None:
            logger.warning("report %s is enabled again", report.name)

    def _disable(self, report: Report, reason: str) -> None:
        broken = BrokenReport(report.name, report.file, reason)
        if broken != self._catalog.disabled.get(report.name):
            self._catalog.disabled[report.name] = broken
            _log(broken)


def _log(report: BrokenReport) -> None:
    logger.warning("report %s is disabled: %s", report.name, report)
