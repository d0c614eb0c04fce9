"""The load of benchmarks/polling.py, in a process of its own: `python -m benchmarks.pollers` with its order
as JSON on standard input; what it met, as JSON on standard output.

Speaks HTTP/1.1 by hand over kept connections: a client library would measure itself.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence

ANSWERED_WITHIN_SECONDS = 10.0


async def poll(
    host: str, port: int, job_id: str, first_after: float, seconds: float, met: list[tuple[float, str]]
) -> None:
    """Once a second, on one connection."""
    await asyncio.sleep(first_after)
    reader, writer = await asyncio.open_connection(host, port)
    request = f"GET /reports/csv?jobId={job_id} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    until = time.monotonic() + seconds
    try:
        while (begun := time.monotonic()) < until:
            try:
                async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
                    status = await ask(reader, writer, request)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                met.append((time.monotonic() - begun, type(error).__name__))
                return
            met.append((time.monotonic() - begun, status))
            await asyncio.sleep(max(0.0, begun + 1.0 - time.monotonic()))
    finally:
        writer.close()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> str:
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
    met: list[tuple[float, str]] = []
    await asyncio.gather(
        *(
            poll(host, port, job_ids[number % len(job_ids)], number / pollers, seconds, met)
            for number in range(pollers)
        )
    )
    answers = Counter(status for _, status in met)
    return json.dumps({"seconds": sorted(each for each, _ in met), "answers": answers})


def main() -> None:
    sys.stdout.write(asyncio.run(poll_all(**json.load(sys.stdin))))


if __name__ == "__main__":
    main()
