"""Measure how much 500 schedules slow down the start of an export.

Each schedule is a Prefect deployment with planned runs. The benchmark alternates between two separate stacks,
one with the schedules and one without them. The time is measured from the POST request to the response with
the job id.
"""

import argparse
import asyncio
import time
from statistics import median

import httpx

from benchmarks.exporting import open_client, start_export, wait_for_link
from benchmarks.outcome import percentile, print_line, print_result, print_table
from tests.support.export_client import EMPTY_SURVEY
from tests.support.running_stack import temporary_stack

POLL_SECONDS = 0.05
PAUSE_SECONDS = 0.3
CONCURRENT_REQUESTS = 2
MAX_RETRIES = 20
WARM_UP_STARTS = 3


def schedule_body(number: int) -> dict[str, object]:
    """Return the request body for a weekly schedule.

    The times are spread over the week, so that only a few schedules run during the measurement.
    """
    cron = f"{number % 60} {number % 24} * * {number % 7}"
    return {
        "name": f"number {number}",
        "recurrence": {"cron": cron, "timeZone": "Europe/Madrid"},
        "range": {"kind": "relative", "preset": "previous-week"},
        "export": {"surveyId": EMPTY_SURVEY},
    }


async def create_schedules(api: httpx.AsyncClient, count: int) -> float:
    started_at = time.monotonic()
    semaphore = asyncio.Semaphore(CONCURRENT_REQUESTS)

    async def create(number: int) -> None:
        async with semaphore:
            response = await api.post("/schedules", json=schedule_body(number))
            for _ in range(MAX_RETRIES):
                if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    break
                await asyncio.sleep(PAUSE_SECONDS)  # the Prefect server is busy
                response = await api.post("/schedules", json=schedule_body(number))
            response.raise_for_status()

    await asyncio.gather(*(create(number) for number in range(count)))
    return time.monotonic() - started_at


async def time_to_id(api: httpx.AsyncClient) -> float:
    started_at = time.monotonic()
    job_id = await start_export(api)
    seconds = time.monotonic() - started_at
    await wait_for_link(api, job_id, POLL_SECONDS)  # a running export would slow down the next start
    await asyncio.sleep(PAUSE_SECONDS)
    return seconds


async def measure_alternately(
    without_url: str, with_url: str, count: int, turns: int
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {"without": [], "with": []}
    async with open_client(without_url) as without, open_client(with_url) as with_many:
        apis = {"without": without, "with": with_many}
        print_line(f"{count} schedules created in {await create_schedules(with_many, count):.0f} s")
        for _ in range(WARM_UP_STARTS):
            for api in apis.values():
                await time_to_id(api)
        for turn in range(turns):
            for name in sorted(apis, reverse=turn % 2 == 0):
                times[name].append(await time_to_id(apis[name]))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.schedules", description=__doc__)
    parser.add_argument("--schedules", type=int, default=500)
    parser.add_argument(
        "--turns", type=int, default=40, help="turns of one start with and one without (default: %(default)s)"
    )
    options = parser.parse_args()
    with temporary_stack() as bare, temporary_stack() as full:
        times = asyncio.run(measure_alternately(bare.api_url, full.api_url, options.schedules, options.turns))
    rows = [(name, [1000 * s for s in seconds]) for name, seconds in times.items()]
    columns = ("schedules", "starts", "median ms", "p90 ms", "min ms")
    print_table(columns, [(name, len(ms), median(ms), percentile(ms, 90), min(ms)) for name, ms in rows])
    ratio = median(times["with"]) / median(times["without"])
    print_line(f"A start with {options.schedules} schedules takes {ratio:.2f} times as long as without.")
    print_result(
        benchmark="schedules",
        schedules=options.schedules,
        without_median_ms=round(1000 * median(times["without"]), 1),
        with_median_ms=round(1000 * median(times["with"]), 1),
        ratio=round(ratio, 2),
    )


if __name__ == "__main__":
    main()
