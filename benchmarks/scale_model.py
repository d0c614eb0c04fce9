"""Predict how many exports per second, polling clients and rows per day the service can handle.

The predictions are based on the measured CPU time per export. The model assumes that each part of the service
is limited by its CPU time. If a part with C cores needs S CPU seconds for an export, it can handle C *
EFFICIENCY / S exports per second. The slowest part limits the service. The predictions are compared with
measurements from `benchmarks.commits`. The model then computes how many cores are needed to reach a target
rate that no single machine can reach.

The model does not cover your source database or your S3 storage, although every exported row puts load on
both.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from benchmarks.outcome import print_line, print_result, print_table

# The share of CPU time that the parts can use while exports are waiting. The load generator, the S3 server
# and the kernel use the remaining CPU time. The value was fitted to the measurements of the current version.
EFFICIENCY = 0.7
ALLOWED_ERROR = 0.2

Costs = Mapping[str, float]

# CPU seconds per export of 1,000 rows, measured by benchmarks.commits with 20 exports at once on an otherwise
# idle machine with two cores. The value for the API includes about ten polls.
COSTS: Costs = {"worker": 0.065, "prefect": 0.09, "postgres": 0.02, "api": 0.02}
# An earlier measurement of the same costs, before processes kept their connections to PostgreSQL.
PREVIOUS_COSTS: Costs = {"worker": 0.11, "prefect": 0.275, "postgres": 0.07, "api": 0.06}
ROWS = 1_000
# CPU seconds that a worker needs per row, derived from the export of 1,000,000 rows in docs/speed.md.
ROW_COST = 1.4e-6
# CPU seconds that an API process needs per poll, measured by benchmarks.polling.
POLL_COST = 0.26e-3
# A Prefect server process keeps up to 15 connections to PostgreSQL in its pool.
CONNECTIONS_PER_SERVER = 15
# Parts of the service whose processes can each use only one core.
SINGLE_CORE = {"prefect": "Prefect server process", "api": "API process"}
TARGET = 1_000


@dataclass(frozen=True)
class Measured:
    """The measured duration of exports that were started at the same time.

    All parts of the service ran on the same machine.
    """

    title: str
    costs: Costs
    cores: int
    exports: int
    seconds: float


MEASUREMENTS = (
    Measured("20 at once, before processes kept connections", PREVIOUS_COSTS, 2, 20, 20 / 3.2),
    Measured("20 at once", COSTS, 2, 20, 20 / 7.3),
    Measured("100 at once", COSTS, 2, 100, 100 / 6.6),
)


@dataclass(frozen=True)
class Cluster:
    """The number of cores for each part. API and Prefect server processes use one core each.

    If `shared` is set, all parts share that many cores, and there is one API process.
    """

    title: str
    worker: float = 0
    prefect: float = 0
    postgres: float = 0
    api: float = 1
    shared: float = 0


CLUSTERS = (
    Cluster("one machine with 2 cores", shared=2),
    Cluster("one machine with 8 cores, 4 Prefect servers", shared=8),
    Cluster("2 workers with 2 cores", worker=4, prefect=4, postgres=2, api=2),
    Cluster("4 workers with 4 cores", worker=16, prefect=12, postgres=4, api=4),
    Cluster("8 workers with 8 cores", worker=64, prefect=48, postgres=16, api=12),
)


def shared_rate(costs: Costs, cores: float) -> float:
    """Return how many exports per second one machine can handle if it runs all parts."""
    return cores * EFFICIENCY / sum(costs.values())


def predicted_seconds(measured: Measured) -> float:
    return measured.exports / shared_rate(measured.costs, measured.cores)


def error_of(measured: Measured) -> float:
    return abs(predicted_seconds(measured) / measured.seconds - 1)


def costs_of(rows: int) -> Costs:
    return {**COSTS, "worker": COSTS["worker"] + ROW_COST * max(0, rows - ROWS)}


def rates(cluster: Cluster, rows: int = ROWS) -> dict[str, float]:
    """Return how many exports per second each part can handle, keyed by part."""
    costs = costs_of(rows)
    if cluster.shared:
        return {"all parts": shared_rate(costs, cluster.shared)}
    return {part: getattr(cluster, part) * EFFICIENCY / cost for part, cost in costs.items()}


def bottleneck(cluster: Cluster, rows: int = ROWS) -> tuple[str, float]:
    """Return the slowest part and the number of exports per second that it can handle."""
    return min(rates(cluster, rows).items(), key=lambda item: item[1])


def pollers(cluster: Cluster) -> int:
    """Return how many clients can poll once per second while exports run at half the maximum rate."""
    exports = bottleneck(cluster)[1] / 2
    spare = cluster.api * EFFICIENCY - exports * COSTS["api"]
    if cluster.shared:
        spare = min(spare, cluster.shared * EFFICIENCY / 2)
    return int(spare / POLL_COST)


def cores_for(rate: float) -> dict[str, int]:
    """Return the number of cores that each part needs for this many exports per second."""
    return {part: ceil(rate * cost / EFFICIENCY) for part, cost in COSTS.items()}


def limits() -> list[tuple[str, float]]:
    """Return common limits and the export rate at which each is reached, sorted by this rate."""
    reached = [(f"one {name}", EFFICIENCY / COSTS[part]) for part, name in SINGLE_CORE.items()]
    per_server = EFFICIENCY / COSTS["prefect"]
    for connections in (100, 500, 2_000):
        servers = connections // CONNECTIONS_PER_SERVER
        reached.append(
            (f"{connections:,} connections to PostgreSQL ({servers} servers)", servers * per_server)
        )
    for part, cores in (("worker", 8), ("postgres", 16), ("postgres", 64)):
        name = "worker host" if part == "worker" else "PostgreSQL for Prefect"
        reached.append((f"one {name} with {cores} cores", cores * EFFICIENCY / COSTS[part]))
    return sorted(reached, key=lambda item: item[1])


def cluster_rows() -> list[tuple[str, ...]]:
    return [
        (
            cluster.title,
            f"{bottleneck(cluster)[1]:.1f}",
            bottleneck(cluster)[0],
            f"{pollers(cluster):,}",
            f"{bottleneck(cluster)[1] * ROWS * 86_400 / 1e6:,.0f} million",
            f"{bottleneck(cluster, 100_000)[1] * 100_000 * 86_400 / 1e9:,.0f} billion",
        )
        for cluster in CLUSTERS
    ]


def limit_rows() -> list[tuple[str, str]]:
    return [(f"{rate:,.1f}", name) for name, rate in limits()]


def target_rows(rate: float) -> list[tuple[str, str]]:
    return [(part, f"{cores:,}") for part, cores in cores_for(rate).items()]


CLUSTER_HEADINGS = (
    "cluster",
    "exports/s",
    "limited by",
    "pollers",
    "rows/day of 1,000 rows",
    "rows/day of 100,000 rows",
)


def _print(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print_table(headings, rows)
    print_line()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale_model", description=__doc__)
    parser.add_argument(
        "--target", type=float, default=TARGET, help="exports per second (default: %(default)s)"
    )
    target = parser.parse_args().target
    errors = [error_of(measured) for measured in MEASUREMENTS]
    _print(
        ("measurement", "predicted s", "measured s", "error"),
        [
            (item.title, f"{predicted_seconds(item):.2f}", f"{item.seconds:.2f}", f"{error:.0%}")
            for item, error in zip(MEASUREMENTS, errors, strict=True)
        ],
    )
    _print(CLUSTER_HEADINGS, cluster_rows())
    _print(("exports/s", "limit"), limit_rows())
    _print((f"part at {target:g} exports/s", "cores"), target_rows(target))
    print_result(
        benchmark="scale_model",
        largest_error=round(max(errors), 3),
        first_limit=limits()[0][0],
        cores_at_target=cores_for(target),
    )
    sys.exit(max(errors) > ALLOWED_ERROR)


if __name__ == "__main__":
    main()
