"""Test that requests share readiness checks, and that the checks report stale keys."""

import asyncio
from dataclasses import dataclass

import psycopg
import pytest

from api.readiness import CACHED_SECONDS, ReadinessChecks
from flows.errors import SourceUnavailable


@dataclass
class Seconds:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Database:
    checks: int = 0
    seconds: float = 0.0

    async def check(self) -> None:
        self.checks += 1
        await asyncio.sleep(self.seconds)


async def stale() -> str:
    return "stale"


def test_requests_within_two_seconds_share_a_check() -> None:
    clock, database = Seconds(), Database(seconds=0.01)
    readiness = ReadinessChecks({"database": database.check}, 5.0, clock)

    async def ask_often() -> list[dict[str, str]]:
        answers = await asyncio.gather(*(readiness.results() for _ in range(60)))
        clock.now += CACHED_SECONDS - 0.1
        return [*answers, await readiness.results()]

    assert asyncio.run(ask_often()) == [{"database": "ok"}] * 61
    assert database.checks == 1
    clock.now += 0.1
    asyncio.run(readiness.results())
    assert database.checks == 2


def test_a_slow_check_fails_and_does_not_hide_other_results() -> None:
    database = Database(seconds=5)
    readiness = ReadinessChecks({"database": database.check, "keys": stale}, 0.01, Seconds())
    assert asyncio.run(readiness.results()) == {"database": "failed", "keys": "stale"}


def wrong_password() -> SourceUnavailable:
    driver = psycopg.OperationalError(
        'connection failed: connection to server at "10.0.0.5", port 5432 failed: FATAL:  password'
        ' authentication failed for user "reports"\nconnection to server failed'
    )
    error = SourceUnavailable()
    error.__cause__ = driver
    return error


def outage() -> TimeoutError:
    error = TimeoutError()
    error.__cause__ = asyncio.CancelledError()
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (wrong_password(), 'password authentication failed for user "reports"'),
        (TimeoutError(), "no response"),
        (outage(), "no response"),
        (LookupError("no worker is online"), "no worker is online"),
        (ValueError(), "ValueError"),
    ],
)
def test_a_failed_check_has_a_reason(error: Exception, reason: str) -> None:
    async def fail() -> None:
        raise error

    readiness = ReadinessChecks({"database": fail, "keys": stale}, 5.0, Seconds())
    assert asyncio.run(readiness.results()) == {"database": "failed", "keys": "stale"}
    assert readiness.reasons == {"database": reason}


def test_a_passed_check_has_no_reason() -> None:
    assert ReadinessChecks({"keys": stale}, 5.0, Seconds()).reasons == {}
