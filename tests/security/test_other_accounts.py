"""Test that another account on the same machine cannot access the stack.

At commit 4f602ff, such an account could list, read, overwrite and delete all exports. The storage master
issued signed read tokens at `/dir/lookup`, the gRPC ports did not authenticate clients, and `/col/delete`
deleted the whole collection.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from deployments.stack.parts.object_storage import weed
from tests.support.running_stack import Stack
from tests.support.security_table import Tally

ROOT, NOBODY = 0, 65534
GRPC_LISTENERS = 5
SHELL_SECONDS = 4
ATTEMPTS = Path(__file__).with_name("other_account.py")
# These overviews of the cluster show the number of volumes, but no names or contents.
HARMLESS = {"/", "/cluster/status"}
as_root = pytest.mark.skipif(
    os.geteuid() != 0 and os.environ.get("CI") != "true", reason="only root can become another account"
)


def leaks(attempts: list[tuple[Any, ...]]) -> dict[str, str]:
    """Run the attempts as another account and return those that succeeded."""
    return successes(attempts, NOBODY)


def successes(attempts: list[tuple[Any, ...]], account: int) -> dict[str, str]:
    command = [sys.executable, "-I", str(ATTEMPTS), str(account)]
    done = subprocess.run(command, input=json.dumps(attempts), stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    results = json.loads(done.stdout)
    assert len(results) == len(attempts) > 0
    return {repr(attempt): result for attempt, result in zip(attempts, results, strict=True) if result}


def weed_shell(stack: Stack, commands: str, environment: dict[str, str], **options: Any) -> str:
    """Run the commands in the storage's shell, stop the shell after a few seconds, and return the output."""
    command = [
        "timeout",
        str(SHELL_SECONDS),
        str(weed()),
        "shell",
        f"-master=127.0.0.1:{_port(stack, 'master')}",
    ]
    environment = {"HOME": "/", "PATH": os.environ["PATH"], **environment}
    done = subprocess.run(  # noqa: S603
        command, input=commands, env=environment, cwd="/", capture_output=True, text=True, **options
    )
    return done.stdout


def file_id(stack: Stack, key: str) -> str:
    """Return the object's id on the volume server. An attacker could guess such an id."""
    output = weed_shell(stack, f"fs.meta.cat /buckets/{stack.bucket}/{key}\n", credentials(stack))
    (line,) = [line for line in output.splitlines() if '"fileId"' in line]
    return line.split('"')[3]


def credentials(stack: Stack) -> dict[str, str]:
    environment = psutil.Process(stack.pids["storage"]).environ()
    return {name: value for name, value in environment.items() if name.startswith("WEED_GRPC")}


def _port(stack: Stack, name: str) -> int:
    return int(json.loads((stack.data_dir / "ports.json").read_text())[f"storage {name}"])


@pytest.fixture
def large_object(stack: Stack, s3: Any) -> Iterator[str]:
    """Store an object on the volume server. The object is too large for the filer to keep inline."""
    key = "security/large.csv"
    content = b"1,ada@example.com\r\n" * 10_000
    s3.put_object(Bucket=stack.bucket, Key=key, Body=content)
    yield key
    assert s3.get_object(Bucket=stack.bucket, Key=key)["Body"].read() == content
    s3.delete_object(Bucket=stack.bucket, Key=key)


@as_root
def test_no_object_is_listed_read_overwritten_or_deleted_over_http(
    stack: Stack, storage_ports: list[int], stored_object: str, large_object: str, tally: Tally
) -> None:
    volume_file = file_id(stack, large_object)
    bucket, small = stack.bucket, stored_object
    reads = ["/", "/dir/status", "/vol/status", "/cluster/status", f"/{bucket}", f"/{bucket}?list-type=2"]
    reads += [
        "/dir/assign",
        f"/dir/lookup?volumeId={volume_file}&read=yes",
        f"/dir/lookup?fileId={volume_file}",
    ]
    reads += [f"/{volume_file}", f"/{bucket}/{small}", f"/{bucket}/{large_object}", "/buckets/?pretty=y"]
    reads += [
        f"/buckets/{bucket}/{small}",
        f"/buckets/{bucket}/{large_object}",
        "/debug/pprof/",
        "/object-store/buckets",
    ]
    writes = [f"/{volume_file}", f"/{bucket}/{small}", f"/{bucket}/{large_object}", "/submit"]
    writes += [f"/buckets/{bucket}/{small}", f"/buckets/{bucket}/{large_object}"]
    destructive = [f"/col/delete?collection={bucket}", "/vol/vacuum?garbageThreshold=0", "/vol/grow?count=1"]
    attempts: list[tuple[Any, ...]] = []
    for port in storage_ports:
        attempts += [("request", port, "GET", path) for path in [*reads, *destructive]]
        attempts += [("request", port, "PUT", path, "other content") for path in writes]
        attempts += [("request", port, "POST", path, "other content") for path in [*writes, *destructive]]
        attempts += [("request", port, "DELETE", path) for path in [*writes, *destructive]]
    overview = {repr(("request", _port(stack, "master"), "GET", path)) for path in HARMLESS}
    assert leaks(attempts).keys() == overview
    tally.add(len(attempts), harmless=len(overview))


@as_root
def test_no_grpc_port_answers_without_a_certificate(
    stack: Stack, storage_ports: list[int], tally: Tally
) -> None:
    certificate = [str(stack.data_dir / "storage" / "tls" / name) for name in ("cert.pem", "key.pem")]
    with_certificate = [("grpc_over_tls", port, *certificate) for port in storage_ports]
    assert len(successes(with_certificate, ROOT)) == GRPC_LISTENERS
    without = [(kind, port) for kind in ("grpc", "grpc_over_tls") for port in storage_ports]
    answers = leaks(without).values()
    assert [answer for answer in answers if not _is_http1(answer)] == []
    tally.add(len(without))


def _is_http1(answer: str) -> bool:
    """Return whether the server rejected the HTTP/2 preface with an HTTP/1.1 response."""
    return bytes.fromhex(answer).startswith(b"HTTP/1.1 ")


@as_root
def test_the_storages_own_shell_is_refused(stack: Stack, stored_object: str, tally: Tally) -> None:
    read = f"fs.ls /buckets/{stack.bucket}\nfs.cat /buckets/{stack.bucket}/{stored_object}\n"
    delete = f"lock\ncollection.delete -collection={stack.bucket} -apply\nfs.rm -rf /buckets/{stack.bucket}\n"
    assert "security" in weed_shell(stack, read, credentials(stack))
    as_nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    assert "security" not in weed_shell(stack, read + delete, {}, **as_nobody)
    tally.add(len((read + delete).splitlines()))


@as_root
def test_no_file_of_the_stack_can_be_read_or_written(stack: Stack, tally: Tally) -> None:
    paths = [stack.data_dir, *stack.data_dir.rglob("*")]
    assert {"stack.json", "prefect-login", "webhook-secret", "token-secret", "ports.json"} <= {
        path.name for path in paths
    }
    attempts: list[tuple[Any, ...]] = []
    for path in paths:
        names = ["list_folder"] if path.is_dir() else ["read_file", "write_file"]
        attempts += [(name, str(path)) for name in names]
    attempts += [("unix_socket", str(path)) for path in Path("/tmp").glob("seaweedfs-*.sock")]  # noqa: S108
    processes = [process for pid in stack.pids.values() for process in _family(pid)]
    attempts += [("read_file", f"/proc/{process.pid}/environ") for process in processes]
    own = ("read_file", "/etc/hostname")
    assert leaks([*attempts, own]).keys() == {repr(own)}
    tally.add(len(attempts))


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def test_no_secret_is_on_a_command_line(stack: Stack) -> None:
    """All accounts on a machine can read the command lines of its processes."""
    secrets = [stack.prefect_api_auth_string, stack.aws_secret_access_key, stack.database_url.split(":")[2]]
    secrets += [(stack.data_dir / "webhook-secret").read_text(), stack.aws_access_key_id]
    for pid in stack.pids.values():
        for process in _family(pid):
            command = " ".join(process.cmdline())
            assert [secret for secret in secrets if secret in command] == []


@pytest.mark.parametrize("user", ["postgres", "reports", "prefect"])
@pytest.mark.parametrize("password", ["", "postgres"])
def test_no_database_opens_without_its_password(stack: Stack, user: str, password: str, tally: Tally) -> None:
    port = psycopg.conninfo.conninfo_to_dict(stack.libpq_url)["port"]
    for database in ("reports", "prefect", "postgres"):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host="127.0.0.1", port=port, user=user, password=password, dbname=database)
        tally.add(1)
