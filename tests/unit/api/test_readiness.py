"""Test that requests share readiness checks, and that the checks report stale keys."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from httpx import HTTPStatusError, Request, Response
from prefect.exceptions import ObjectNotFound

from api.prefect_server import JobServer
from api.readiness import (
    CACHED_SECONDS,
    SECONDS_BETWEEN_WRITES,
    Check,
    Degraded,
    ReadinessChecks,
    StorageCheck,
    reason_of,
)
from flows.errors import SourceUnavailable
from flows.storage.folder import FolderStorage


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


async def partly_down() -> None:
    raise Degraded("other: no response")


def test_a_degraded_check_has_a_reason_until_it_passes() -> None:
    clock, database = Seconds(), Database()
    checks: dict[str, Check] = {"database": partly_down}
    readiness = ReadinessChecks(checks, 5.0, clock)
    assert asyncio.run(readiness.results()) == {"database": "degraded"}
    assert readiness.reasons == {"database": "other: no response"}
    checks["database"], clock.now = database.check, CACHED_SECONDS
    assert asyncio.run(readiness.results()) == {"database": "ok"}
    assert readiness.reasons == {}


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


class CountedFolder(FolderStorage):
    def __init__(self, root: Path) -> None:
        super().__init__(root, "")
        self.calls: list[str] = []

    def check(self) -> None:
        self.calls.append("check")
        super().check()

    def check_writing(self) -> None:
        self.calls.append("write")
        super().check_writing()


@pytest.fixture
def check_storage(tmp_path: Path) -> Callable[[float], list[str]]:
    """Return a function that runs the storage check at a given time and returns the storage calls."""
    clock, storage = Seconds(), CountedFolder(tmp_path / "files")
    readiness = StorageCheck(storage, clock)

    def check(now: float) -> list[str]:
        clock.now, storage.calls = now, []
        asyncio.run(readiness())
        return storage.calls

    return check


def test_the_storage_is_written_to_at_start_and_every_few_minutes(
    check_storage: Callable[[float], list[str]], tmp_path: Path
) -> None:
    assert check_storage(0)[0] == "write"
    assert check_storage(SECONDS_BETWEEN_WRITES - 1) == ["check"]
    assert check_storage(SECONDS_BETWEEN_WRITES)[0] == "write"
    assert list((tmp_path / "files").iterdir()) == []


def test_a_failed_storage_is_written_to_until_it_works(
    check_storage: Callable[[float], list[str]], tmp_path: Path
) -> None:
    check_storage(0)
    (tmp_path / "files").rmdir()
    (tmp_path / "files").touch()
    for now in (2, 4, 6):
        with pytest.raises(NotADirectoryError):
            check_storage(now)
    (tmp_path / "files").unlink()
    assert check_storage(8)[0] == "write"
    assert check_storage(10) == ["check"]


@pytest.mark.parametrize("read", [JobServer.check, JobServer.deployment])
def test_a_missing_deployment_is_named(read: Callable[[JobServer], Awaitable[object]]) -> None:
    class EmptyPrefect:
        async def read_deployment_by_name(self, _: str) -> None:
            response = HTTPStatusError("404", request=Request("GET", "http://t"), response=Response(404))
            raise ObjectNotFound(response) from response

    def client(**_: object) -> Any:
        return EmptyPrefect()

    server = JobServer("export-report/export", 5, client)
    with pytest.raises(Exception, match="export-report/export") as raised:
        asyncio.run(read(server))
    assert reason_of(raised.value) == "the deployment export-report/export is not registered in Prefect"
