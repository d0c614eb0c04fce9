"""Generate the load for benchmarks/polling.py in a separate process.

`python -m benchmarks.pollers` reads parameters as JSON from stdin and writes results as JSON to stdout. It
writes HTTP/1.1 requests directly to sockets, because the overhead of a client library would dominate the
result.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence

RESPONSE_TIMEOUT_SECONDS = 10.0


async def poll(
    host: str, port: int, job_id: str, delay: float, seconds: float, results: list[tuple[float, str]]
) -> None:
    """Poll once a second on one connection and append (seconds, status) pairs to `results`."""
    await asyncio.sleep(delay)
    reader, writer = await asyncio.open_connection(host, port)
    request = f"GET /reports/csv?jobId={job_id} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    deadline = time.monotonic() + seconds
    try:
        while (started_at := time.monotonic()) < deadline:
            try:
                async with asyncio.timeout(RESPONSE_TIMEOUT_SECONDS):
                    status = await send_request(reader, writer, request)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                results.append((time.monotonic() - started_at, type(error).__name__))
                return
            results.append((time.monotonic() - started_at, status))
            await asyncio.sleep(max(0.0, started_at + 1.0 - time.monotonic()))
    finally:
        writer.close()


async def send_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> str:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    await reader.readexactly(length)
    return head[9:12].decode()


async def poll_all(host: str, port: int, job_ids: Sequence[str], pollers: int, seconds: float) -> str:
    results: list[tuple[float, str]] = []
    await asyncio.gather(
        *(
            poll(host, port, job_ids[number % len(job_ids)], number / pollers, seconds, results)
            for number in range(pollers)
        )
    )
    statuses = Counter(status for _, status in results)
    return json.dumps({"seconds": sorted(seconds for seconds, _ in results), "statuses": statuses})


def main() -> None:
    sys.stdout.write(asyncio.run(poll_all(**json.load(sys.stdin))))


if __name__ == "__main__":
    main()
