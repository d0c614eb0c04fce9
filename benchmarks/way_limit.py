"""Export with `psql` COPY piped into a multipart upload. The comparison uses its speed as the limit."""

import fcntl
import subprocess
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, Any

import botocore.session
from botocore.config import Config

from benchmarks.turn import Parameters, run_turn
from deployments.stack.parts.postgres import binary

PART_BYTES = 8 << 20
PARTS_IN_FLIGHT = 2
PIPE_BYTES = 1 << 20  # Linux's default maximum for unprivileged users


def prepare(parameters: Parameters) -> Callable[[], None]:
    config = Config(request_checksum_calculation="when_required", max_pool_connections=4)
    s3 = botocore.session.Session().create_client("s3", config=config)
    s3.head_bucket(Bucket=parameters["bucket"])
    target = {"Bucket": parameters["bucket"], "Key": parameters["key"]}
    copy = f"COPY ({parameters['sql']}) TO STDOUT (FORMAT csv, HEADER)"

    def work() -> None:
        command = [
            binary("psql"),
            "--no-psqlrc",
            "--quiet",
            "--command",
            copy,
            parameters["database_url"],
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as psql:  # noqa: S603 - a fixed command
            assert psql.stdout is not None  # noqa: S101 - stdout is a pipe
            store(psql.stdout, s3, target)
        if psql.returncode:
            raise SystemExit(f"psql exited with code {psql.returncode}")

    return work


def store(pipe: IO[bytes], s3: Any, target: dict[str, str]) -> None:
    upload_id = s3.create_multipart_upload(**target)["UploadId"]
    stored: list[dict[str, Any]] = []
    in_flight: deque[Future[dict[str, Any]]] = deque()

    def put(number: int, body: bytearray) -> dict[str, Any]:
        response = s3.upload_part(**target, UploadId=upload_id, PartNumber=number, Body=body)
        return {"PartNumber": number, "ETag": response["ETag"]}

    with ThreadPoolExecutor(PARTS_IN_FLIGHT) as pool:
        for number, part in enumerate(parts(pipe), start=1):
            in_flight.append(pool.submit(put, number, part))
            if len(in_flight) > PARTS_IN_FLIGHT:
                stored.append(in_flight.popleft().result())
        stored += [upload.result() for upload in in_flight]
    s3.complete_multipart_upload(**target, UploadId=upload_id, MultipartUpload={"Parts": stored})


def parts(pipe: IO[bytes]) -> Iterator[bytearray]:
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    while True:
        part, filled = bytearray(PART_BYTES), 0
        with memoryview(part) as view:
            while filled < PART_BYTES and (count := pipe.readinto(view[filled:])):  # type: ignore[attr-defined]
                filled += count
        del part[filled:]
        if part:
            yield part
        if filled < PART_BYTES:
            return


if __name__ == "__main__":
    run_turn(prepare)
