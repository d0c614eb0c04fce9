"""Check every minute whether the reports still match their database."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from flows.errors import DeclarationError, ExportError
from flows.query.report import Report

CHECK_SECONDS = 60.0

logger = logging.getLogger(__name__)


class ReportWatch:
    """Reports that do not match their database.

    `missing_parts` returns the missing tables of a report, and raises DeclarationError for a missing column.
    """

    def __init__(
        self,
        reports: Iterable[Report],
        missing_parts: Callable[[Report], Iterable[str]],
        clock: Callable[[], float],
    ) -> None:
        self._reports, self._missing_parts, self._clock = list(reports), missing_parts, clock
        self._mismatches: dict[str, str] = {}
        self._checked_at = clock() - CHECK_SECONDS
        self._checking: asyncio.Task[None] | None = None

    async def check(self) -> str:
        """Return `ok` or `degraded`, as last checked. The next check runs in the background if it is due."""
        if self._checking is None and self._clock() - self._checked_at >= CHECK_SECONDS:
            self._checked_at = self._clock()
            self._checking = asyncio.create_task(self._check_all())
        return "degraded" if self._mismatches else "ok"

    async def _check_all(self) -> None:
        try:
            mismatches = await asyncio.to_thread(self._find_mismatches)
        except ExportError:
            return  # the database cannot be reached, which another check reports
        finally:
            self._checking = None
        if mismatches != self._mismatches:
            for name, mismatch in mismatches.items():
                logger.warning("report %s does not match the database: %s", name, mismatch)
        self._mismatches = mismatches

    def _find_mismatches(self) -> dict[str, str]:
        found = {report.name: self._mismatch(report) for report in self._reports}
        return {name: mismatch for name, mismatch in found.items() if mismatch}

    def _mismatch(self, report: Report) -> str:
        try:
            missing = ", ".join(self._missing_parts(report))
        except DeclarationError as error:
            return str(error)
        return f"there is no {missing}" if missing else ""
