"""Faults that are injected while exports run."""

import asyncio
from pathlib import Path

from benchmarks.hosts.cluster import Cluster

# Wait this long before a fault, so that exports are already running.
DELAY_SECONDS = 4
# Within this time, another host takes over the exports of a lost host.
RESCUE_SECONDS = 45


async def cut_off_a_worker_host(cluster: Cluster) -> None:
    """Cut off a worker host during exports, and reconnect it once another host has had time to take over."""
    host = cluster.workers[0]
    await asyncio.sleep(DELAY_SECONDS)
    host.cut_off()
    await asyncio.sleep(RESCUE_SECONDS)
    host.reconnect()
    await asyncio.sleep(10)  # give the host time to do damage


async def upgrade(cluster: Cluster, programs: Path) -> None:
    """Upgrade to the version in another environment, one host after another.

    The order is that of docs/operations.md.
    """
    await asyncio.sleep(DELAY_SECONDS)
    cluster.processes.programs = programs
    await asyncio.to_thread(cluster.register)
    for host in cluster.workers:
        await asyncio.to_thread(cluster.stop, host)
        await asyncio.to_thread(cluster.start_worker, host)
    for host in cluster.apis:
        await asyncio.to_thread(cluster.stop, host)
        await asyncio.to_thread(cluster.start_api, host)


async def kill_a_prefect_server(cluster: Cluster) -> None:
    host = cluster.prefect_servers[0]
    await asyncio.sleep(DELAY_SECONDS)
    cluster.kill(host)
    await asyncio.sleep(10)
    await asyncio.to_thread(cluster.start_prefect_server, host)


async def fail_over_the_database(cluster: Cluster) -> None:
    """Kill the PostgreSQL server used by Prefect and the exports, and promote its replica."""
    await asyncio.sleep(DELAY_SECONDS)
    await asyncio.to_thread(cluster.database.fail_over)
