"""Test that reports which do not match the database are noticed while the API runs."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from api.report_watch import CHECK_SECONDS, ReportWatch
from flows.errors import DeclarationError, SourceUnavailable
from flows.query.report import Report
from tests.faults.slow_reports.slow_orders import REPORT


@dataclass
class Database:
    missing: list[str] = field(default_factory=list)
    error: Exception | None = None
    checks: int = 0
    now: float = 0.0

    def missing_parts(self, report: Report) -> list[str]:
        self.checks += 1
        if self.error is not None:
            raise self.error
        return self.missing

    def clock(self) -> float:
        return self.now


async def check(watch: ReportWatch, database: Database) -> str:
    """Let a minute pass, and return the result of the check that is then due."""
    database.now += CHECK_SECONDS
    await watch.check()
    task: Any = watch._checking
    await task
    return await watch.check()


def test_a_missing_table_or_column_degrades_the_service_until_it_is_back() -> None:
    database = Database()

    async def follow() -> list[str]:
        watch = ReportWatch([REPORT], database.missing_parts, database.clock)
        results = [await watch.check(), await check(watch, database)]
        database.missing = ["orders"]
        results.append(await check(watch, database))
        database.missing, database.error = [], DeclarationError("orders.py: select: no column note")
        results.append(await check(watch, database))
        database.error = SourceUnavailable()
        results.append(await check(watch, database))
        database.error = None
        return [*results, await check(watch, database)]

    assert asyncio.run(follow()) == ["ok", "ok", "degraded", "degraded", "degraded", "ok"]


def test_checks_within_a_minute_share_a_result() -> None:
    database = Database()

    async def follow() -> None:
        watch = ReportWatch([REPORT], database.missing_parts, database.clock)
        await check(watch, database)
        for _ in range(10):
            await watch.check()

    asyncio.run(follow())
    assert database.checks <= 2
