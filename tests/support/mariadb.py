"""Start a MariaDB server in a temporary folder."""

import getpass
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pymysql  # type: ignore[import-untyped]  # types-PyMySQL is not installed
import pytest

READY_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 20
DATABASE = "reports"
# On Debian, server programs are in folders that are not in an ordinary user's PATH.
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


@contextmanager
def running(buffer_pool: str = "64M") -> Iterator[str]:
    """Start a server and yield the URL of an empty database."""
    server, install = (shutil.which(name, path=PATH) for name in ("mariadbd", "mariadb-install-db"))
    if server is None or install is None:
        skip_or_fail(
            "mariadbd and mariadb-install-db are not installed; on Debian: apt-get install mariadb-server"
        )
    # A socket path is limited to 107 characters, so paths in pytest's folders are too long.
    with TemporaryDirectory(prefix="mariadb-", ignore_cleanup_errors=True) as folder:
        options = ["--no-defaults", f"--datadir={folder}/data", f"--user={getpass.getuser()}"]
        fresh = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run([str(install), *options, *fresh], check=True, capture_output=True)  # noqa: S603
        socket = f"{folder}/socket"
        listening = [f"--socket={socket}", "--skip-networking", f"--pid-file={folder}/pid"]
        memory = f"--innodb-buffer-pool-size={buffer_pool}"
        light = ["--innodb-flush-log-at-trx-commit=0", memory, "--skip-log-bin"]
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603
                [str(server), *options, *listening, *light],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that Ctrl-C does not end the server while the tests still run
            )
        try:
            _create_database(process, socket, Path(folder, "log"))
            yield f"mysql+pymysql://root@localhost/{DATABASE}?unix_socket={socket}"
        finally:
            end(process)


def skip_or_fail(reason: str) -> None:
    """Skip the test, or fail it in CI, where all programs must be installed."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _create_database(process: subprocess.Popen[bytes], socket: str, log: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while not Path(socket).exists():  # the server creates the socket when it starts to listen
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    connection = pymysql.connect(unix_socket=socket, user="root")
    with connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
