"""Start an S3 server that allows changes to users and policies, unlike the shared stack's server."""

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import botocore.session

from deployments.stack.parts import object_storage
from deployments.stack.ports import Ports

READY_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class S3Server:
    endpoint: str
    access_key: str
    secret_key: str

    def client(self, service: str) -> Any:
        """Return a botocore client for `s3` or `iam`."""
        return botocore.session.Session().create_client(
            service,
            region_name="us-east-1",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
        )


@contextmanager
def running() -> Iterator[S3Server]:
    """Start a server with an empty bucket. Yield its endpoint and the administrator's access key."""
    with TemporaryDirectory(prefix="s3-", ignore_cleanup_errors=True) as folder:
        storage = object_storage.lay_out(Path(folder) / "storage", Ports(Path(folder) / "ports.json"))
        program = object_storage.server(storage, os.environ)
        asyncio.run(program.before_start())  # type: ignore[arg-type]  # it is a coroutine
        process = subprocess.Popen(  # noqa: S603 - a fixed command
            [*program.command, "-s3.iam.readOnly=false"],
            env={**program.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait(program.is_ready, process)
            yield S3Server(storage.endpoint, storage.access_key, storage.secret_key)
        finally:
            process.kill()
            process.wait()
            object_storage.remove_sockets(storage)


def _wait(is_ready: Any, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while not asyncio.run(is_ready()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
