"""Compare the time that a small export takes on the warm worker and on Prefect's process worker.

The time is measured from the POST request until the download link is available. Both workers use the same
Prefect server, database and storage, and they take turns. The process worker polls every second.
"""

import argparse
import asyncio
from statistics import median

from benchmarks.exporting import open_client, time_to_link
from benchmarks.outcome import print_line, print_result, print_table
from tests.support.extra_processes import create_pool, deploy_export, extra_processes, pool_settings
from tests.support.running_stack import temporary_stack

PROCESS = "stock"
FAST_POLLING = {"PREFECT_WORKER_QUERY_SECONDS": "1"}
POLL_SECONDS = 0.02
WARM_PER_PROCESS = 4
# The lengths of the pauses after each export. The pauses prevent one export from slowing down the next. They
# are longer for the process worker, because the processes that it starts take several seconds to exit.
PAUSE_SECONDS, PAUSE_AFTER_PROCESS_SECONDS = 1.0, 5.0


async def measure_alternately(warm_url: str, process_url: str, turns: int) -> tuple[list[float], list[float]]:
    warm, process = [], []
    async with open_client(warm_url) as warm_api, open_client(process_url) as process_api:
        for api in (warm_api, process_api):
            await time_to_link(api, POLL_SECONDS)  # warm-up
        for _ in range(turns):
            for _ in range(WARM_PER_PROCESS):
                warm.append(await time_to_link(warm_api, POLL_SECONDS))
                await asyncio.sleep(PAUSE_SECONDS)
            process.append(await time_to_link(process_api, POLL_SECONDS))
            await asyncio.sleep(PAUSE_AFTER_PROCESS_SECONDS)
    return warm, process


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument(
        "--turns",
        type=int,
        default=6,
        help="turns of 4 exports by the warm worker and 1 by the process worker (default: %(default)s)",
    )
    turns = parser.parse_args().turns
    with temporary_stack() as stack, extra_processes(stack) as processes:
        with stack.prefect_client() as prefect:
            create_pool(prefect, PROCESS, "process")
            deploy_export(prefect, PROCESS, PROCESS)
        worker = processes.start_process_worker(PROCESS, **FAST_POLLING)
        process_url = processes.start_api(**pool_settings(PROCESS, PROCESS))
        processes.wait_for_output(worker, "started!")
        warm, process = asyncio.run(measure_alternately(stack.api_url, process_url, turns))
    columns = ("worker", "exports", "median ms", "min ms", "max ms")
    results = [
        (name, [1000 * s for s in seconds]) for name, seconds in (("warm", warm), ("process", process))
    ]
    print_table(columns, [(name, len(ms), median(ms), min(ms), max(ms)) for name, ms in results])
    ratio = median(process) / median(warm)
    print_line(f"The warm worker is {ratio:.1f} times as fast.")
    print_result(
        benchmark="latency",
        warm_median_ms=round(1000 * median(warm)),
        stock_median_ms=round(1000 * median(process)),
        ratio=round(ratio, 1),
    )


if __name__ == "__main__":
    main()
