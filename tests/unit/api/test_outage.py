"""Test that a call times out if the server stops responding, but not if this process is merely delayed."""

import asyncio
import time

import pytest

from api import outage
from api.outage import OutageLimit
from tests.support.simulated_time import run_in_simulated_time

OUTAGE_SECONDS, MAX_WAIT_SECONDS = 0.4, 60.0


def new_limit(max_wait_seconds: float = MAX_WAIT_SECONDS) -> OutageLimit:
    return OutageLimit(OUTAGE_SECONDS, max_wait_seconds)


async def seconds_until_timeout(limit: OutageLimit) -> float:
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    with pytest.raises(TimeoutError):
        async with limit.limited():
            await asyncio.sleep(60)
    return loop.time() - started_at


def test_a_call_without_a_response_ends_after_the_outage_time() -> None:
    seconds = run_in_simulated_time(seconds_until_timeout(new_limit()))
    assert OUTAGE_SECONDS * 0.9 <= seconds < 3 * OUTAGE_SECONDS


def test_responses_to_other_calls_extend_a_call() -> None:
    async def call() -> float:
        limit = new_limit()

        async def respond() -> None:
            for _ in range(8):
                await asyncio.sleep(OUTAGE_SECONDS / 2)
                limit.note_response()

        _, seconds = await asyncio.gather(respond(), seconds_until_timeout(limit))
        return seconds

    assert run_in_simulated_time(call()) > 4 * OUTAGE_SECONDS


async def silence(limit: OutageLimit, responses: list[float]) -> float:
    """Send a response after each of the given delays, then stop responding.

    Return the number of seconds from the last response to the timeout.
    """

    async def respond() -> None:
        for delay in responses:
            await asyncio.sleep(delay)
            limit.note_response()

    responding = asyncio.create_task(respond())
    seconds = await seconds_until_timeout(limit)
    await responding
    return seconds - sum(responses)


def test_a_slow_server_gets_more_time_until_it_is_fast_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression test: most requests to start an export failed when Prefect was slow on a busy machine."""
    monkeypatch.setattr(outage, "TICK_SECONDS", 0.02)
    assert run_in_simulated_time(silence(new_limit(), [0.75 * OUTAGE_SECONDS])) > 1.25 * OUTAGE_SECONDS
    fast_again = [0.75 * OUTAGE_SECONDS, *([0.05] * 15)]
    assert run_in_simulated_time(silence(new_limit(), fast_again)) < 1.25 * OUTAGE_SECONDS


def test_a_server_with_growing_delays_is_never_given_more_than_the_maximum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outage, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(outage, "MAX_SILENCE_SECONDS", 4 * OUTAGE_SECONDS)
    growing = [factor * OUTAGE_SECONDS for factor in (0.8, 1.4, 2.2, 3.4)]
    seconds = run_in_simulated_time(silence(new_limit(), growing))
    assert seconds < 1.2 * 4 * OUTAGE_SECONDS


def test_a_late_response_extends_the_next_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller of the late response has already received an error."""
    monkeypatch.setattr(outage, "TICK_SECONDS", 0.02)

    async def fail_and_call() -> float:
        limit = new_limit()
        await seconds_until_timeout(limit)
        limit.note_response(delay_seconds=3 * OUTAGE_SECONDS)
        return await seconds_until_timeout(limit)

    assert run_in_simulated_time(fail_and_call()) > 5 * OUTAGE_SECONDS


def test_an_outage_does_not_extend_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "TICK_SECONDS", 0.02)

    async def outlast_and_call() -> float:
        limit = new_limit()
        await seconds_until_timeout(limit)
        limit.note_response()
        return await silence(limit, [0.05])

    assert run_in_simulated_time(outlast_and_call()) < 1.25 * OUTAGE_SECONDS


def test_a_call_ends_in_the_end_although_the_server_responds() -> None:
    async def call() -> float:
        limit = new_limit(2 * OUTAGE_SECONDS)

        async def respond() -> None:
            while True:
                await asyncio.sleep(OUTAGE_SECONDS / 4)
                limit.note_response()

        responding = asyncio.create_task(respond())
        seconds = await seconds_until_timeout(limit)
        responding.cancel()
        return seconds

    assert run_in_simulated_time(call()) >= 1.8 * OUTAGE_SECONDS


def test_a_delay_of_this_process_does_not_count_as_silence() -> None:
    async def call() -> str:
        limit = new_limit()
        async with limit.limited():
            response = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(OUTAGE_SECONDS / 2, response.set_result, "response")
            await asyncio.sleep(0)
            time.sleep(3 * OUTAGE_SECONDS)  # noqa: ASYNC251 - the process gets no CPU
            await asyncio.sleep(0)
            return str(await response)

    assert asyncio.run(call()) == "response"
