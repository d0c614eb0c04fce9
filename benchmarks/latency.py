"""POST to link, one small export at a time: the warm worker against Prefect's stock process worker.

Both on the same Prefect server, database and storage, in turns; the stock worker polls each second.
"""

import argparse
import asyncio

from benchmarks.exporting import client, seconds_to_link, stack_of_its_own
from benchmarks.outcome import last_line, middle, say, table
from tests.support.extra_processes import create_pool, deploy_export, extra_processes, pool_settings

STOCK = "stock"
FAST_POLLING = {"PREFECT_WORKER_QUERY_SECONDS": "1"}
POLL_SECONDS = 0.02
WARM_PER_STOCK = 4
# A person does not click at once again; and what a run leaves running must not slow the next one down:
# the stock worker's processes go on for seconds after the link.
PAUSE_SECONDS, PAUSE_AFTER_STOCK_SECONDS = 1.0, 5.0


async def in_turns(warm_url: str, stock_url: str, turns: int) -> tuple[list[float], list[float]]:
    warm, stock = [], []
    async with client(warm_url) as warm_api, client(stock_url) as stock_api:
        for api in (warm_api, stock_api):
            await seconds_to_link(api, POLL_SECONDS)  # what only the first one pays
        for _ in range(turns):
            for _ in range(WARM_PER_STOCK):
                warm.append(await seconds_to_link(warm_api, POLL_SECONDS))
                await asyncio.sleep(PAUSE_SECONDS)
            stock.append(await seconds_to_link(stock_api, POLL_SECONDS))
            await asyncio.sleep(PAUSE_AFTER_STOCK_SECONDS)
    return warm, stock


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--turns", type=int, default=6, help="each is 4 warm exports and a stock one")
    turns = parser.parse_args().turns
    with stack_of_its_own() as stack, extra_processes(stack) as others:
        with stack.prefect_client() as prefect:
            create_pool(prefect, STOCK, "process")
            deploy_export(prefect, STOCK, STOCK)
        worker = others.start_process_worker(STOCK, **FAST_POLLING)
        stock_url = others.start_api(**pool_settings(STOCK, STOCK))
        others.wait_for_output(worker, "started!")
        warm, stock = asyncio.run(in_turns(stack.api_url, stock_url, turns))
    columns = ("worker", "exports", "median ms", "min ms", "max ms")
    found = [(name, [1000 * s for s in each]) for name, each in (("warm", warm), ("process", stock))]
    table(columns, [(name, len(ms), middle(ms), min(ms), max(ms)) for name, ms in found])
    ratio = middle(stock) / middle(warm)
    say(f"The warm worker is {ratio:.1f} times as fast.")
    last_line(
        benchmark="latency",
        warm_median_ms=round(1000 * middle(warm)),
        stock_median_ms=round(1000 * middle(stock)),
        ratio=round(ratio, 1),
    )


if __name__ == "__main__":
    main()
