"""Measure how much mutual TLS between the parts of the embedded storage slows down uploads.

Two storage servers run at the same time. Only one of them uses client certificates. The uploads alternate
between the servers, so other load on the machine affects both equally.
"""

import argparse
import asyncio
import os
import secrets
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.measured_process import end_group
from benchmarks.outcome import print_line, print_result, print_table
from deployments.stack.child_process import Program
from deployments.stack.parts import object_storage
from deployments.stack.ports import Ports
from flows.storage.protocol import upload
from flows.storage.s3 import S3Storage
from tests.support.running_stack import clean_environment

READY_TIMEOUT_SECONDS = 60
BLOCK = secrets.token_bytes(1 << 20)
SIZES = {"1 KiB": 1 << 10, "64 MiB": 64 << 20}
WITH_TLS, WITHOUT_TLS = "with TLS", "without TLS"


@contextmanager
def running_server(home: Path, tls: bool) -> Iterator[Mapping[str, str]]:
    """Run a storage server and yield the environment variables that its clients need."""
    home.mkdir()
    storage = object_storage.lay_out(home / "storage", Ports(home / "ports.json"))
    program = object_storage.server(storage, clean_environment())
    environment = {
        name: value for name, value in program.environment.items() if tls or not name.startswith("WEED_GRPC_")
    }
    asyncio.run(_prepare(program))
    process = subprocess.Popen(  # noqa: S603 - a fixed command
        program.command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while not asyncio.run(_is_ready(program)):
            if time.monotonic() > deadline:
                raise SystemExit("the storage server did not start")
            time.sleep(0.1)
        yield {
            "AWS_ENDPOINT_URL": storage.endpoint,
            "AWS_ACCESS_KEY_ID": storage.access_key,
            "AWS_SECRET_ACCESS_KEY": storage.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        end_group(process)
        object_storage.remove_sockets(storage)


async def _prepare(program: Program) -> None:
    await program.before_start()


async def _is_ready(program: Program) -> bool:
    return await program.is_ready()


class Client:
    """A process that runs the service's storage client for one server."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.pool = ProcessPoolExecutor(1, get_context("spawn"), use, (dict(environment),))

    def seconds(self, size: int) -> float:
        """Store an object of this size and return the duration in seconds."""
        return self.pool.submit(store, size).result()


def use(environment: Mapping[str, str]) -> None:
    """Configure this process for the storage server that `environment` describes."""
    os.environ.update(environment)


@cache
def client_storage() -> S3Storage:
    return S3Storage(object_storage.BUCKET, "tls")


def store(size: int) -> float:
    storage = client_storage()
    started_at = time.perf_counter()
    with upload(storage, f"{secrets.token_hex(8)}.csv") as target:
        target.expect(size)
        for position in range(0, size, len(BLOCK)):
            target.write(BLOCK[: size - position])
        target.commit()
    return time.perf_counter() - started_at


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storage_tls", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="number of rounds (default: %(default)s)")
    rounds = parser.parse_args().rounds
    seconds: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    with TemporaryDirectory(prefix="storage-") as folder, ExitStack() as exits:
        clients = {}
        for name in (WITH_TLS, WITHOUT_TLS):
            server = running_server(Path(folder) / name.replace(" ", "-"), name == WITH_TLS)
            clients[name] = Client(exits.enter_context(server))
            exits.enter_context(clients[name].pool)
        for number in range(rounds + 1):
            for name in sorted(clients, reverse=number % 2 == 1):
                for size, count in SIZES.items():
                    seconds[name, size].append(clients[name].seconds(count))
    medians = {key: median(values[1:]) for key, values in seconds.items()}  # round 0 also creates volumes
    rows = []
    for size in SIZES:
        tls, plain = medians[WITH_TLS, size], medians[WITHOUT_TLS, size]
        rows.append((size, tls, plain, tls / plain))
    print_table(("object", WITH_TLS, WITHOUT_TLS, "ratio"), rows)
    print_line()
    print_result(benchmark="storage_tls", rounds=rounds, ratios={row[0]: round(row[3], 3) for row in rows})


if __name__ == "__main__":
    main()
