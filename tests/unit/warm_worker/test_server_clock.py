"""Test that the worker uses the time in the responses of the Prefect server instead of its own."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from deployments.warm_worker.server_clock import ServerClock


def seconds_ahead(headers: dict[str, str]) -> float:
    """Return how far the clock is ahead of the local clock after a response with these headers."""

    async def respond() -> float:
        transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers))
        async with httpx.AsyncClient(transport=transport) as http:
            client: Any = SimpleNamespace(_client=http)
            clock = ServerClock(client)
            await http.get("http://prefect/api/health")
            return (clock.now() - datetime.now(UTC)).total_seconds()

    return asyncio.run(respond())


@pytest.mark.parametrize("seconds", [-30, 0, 30])
def test_the_time_is_the_servers(seconds: int) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    assert seconds_ahead({"Date": date}) == pytest.approx(seconds, abs=2)


@pytest.mark.parametrize("headers", [{}, {"Date": ""}, {"Date": "noon"}, {"Date": "Fri, 27 Nov 2026"}])
def test_the_local_clock_is_used_without_a_valid_date(headers: dict[str, str]) -> None:
    assert seconds_ahead(headers) == pytest.approx(0, abs=1)
