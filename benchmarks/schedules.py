"""What 500 recurring exports cost a start: the same start with them and without, in turns.

Two stacks of their own, one with the recurring exports, each a deployment whose runs are planned. Only what
the caller waits for is timed: from POST to the job's id.
"""

import argparse
import asyncio
import time

import httpx

from benchmarks.exporting import client, link, stack_of_its_own, start
from benchmarks.outcome import last_line, middle, percentile, say, table
from tests.support.export_client import EMPTY_SURVEY

POLL_SECONDS = 0.05
PAUSE_SECONDS = 0.3
AT_ONCE = 2
PATIENCE = 20
WARM_UP = 3


def recurring(number: int) -> dict[str, object]:
    """Spread over the hours of the week, none of them soon enough to fire often."""
    cron = f"{number % 60} {number % 24} * * {number % 7}"
    return {
        "name": f"number {number}",
        "recurrence": {"cron": cron, "timeZone": "Europe/Madrid"},
        "range": {"kind": "relative", "preset": "previous-week"},
        "export": {"surveyId": EMPTY_SURVEY},
    }


async def make(api: httpx.AsyncClient, count: int) -> float:
    begun = time.monotonic()
    free = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with free:
            answer = await api.post("/schedules", json=recurring(number))
            for _ in range(PATIENCE):
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    break
                await asyncio.sleep(PAUSE_SECONDS)  # the Prefect server is busy with those before
                answer = await api.post("/schedules", json=recurring(number))
            answer.raise_for_status()

    await asyncio.gather(*(one(number) for number in range(count)))
    return time.monotonic() - begun


async def seconds_to_id(api: httpx.AsyncClient) -> float:
    begun = time.monotonic()
    job_id = await start(api)
    seconds = time.monotonic() - begun
    await link(api, job_id, POLL_SECONDS)  # the next one begins when this one is no longer in its way
    await asyncio.sleep(PAUSE_SECONDS)
    return seconds


async def in_turns(without_url: str, with_url: str, count: int, turns: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"without": [], "with": []}
    async with client(without_url) as without, client(with_url) as with_many:
        apis = {"without": without, "with": with_many}
        say(f"{count} recurring exports made in {await make(with_many, count):.0f} s")
        for _ in range(WARM_UP):
            for api in apis.values():
                await seconds_to_id(api)
        for turn in range(turns):
            for name in sorted(apis, reverse=turn % 2 == 0):
                found[name].append(await seconds_to_id(apis[name]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.schedules", description=__doc__)
    parser.add_argument("--schedules", type=int, default=500)
    parser.add_argument("--turns", type=int, default=40, help="each is one start with and one without")
    options = parser.parse_args()
    with stack_of_its_own() as bare, stack_of_its_own() as full:
        found = asyncio.run(in_turns(bare.api_url, full.api_url, options.schedules, options.turns))
    rows = [(name, [1000 * each for each in seconds]) for name, seconds in found.items()]
    columns = ("recurring exports", "starts", "median ms", "p90 ms", "min ms")
    table(columns, [(name, len(ms), middle(ms), percentile(ms, 90), min(ms)) for name, ms in rows])
    ratio = middle(found["with"]) / middle(found["without"])
    say(f"A start with {options.schedules} recurring exports takes {ratio:.2f} times as long as without.")
    last_line(
        benchmark="schedules",
        schedules=options.schedules,
        without_median_ms=round(1000 * middle(found["without"]), 1),
        with_median_ms=round(1000 * middle(found["with"]), 1),
        ratio=round(ratio, 2),
    )


if __name__ == "__main__":
    main()
