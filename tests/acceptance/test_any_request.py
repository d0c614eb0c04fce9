"""Whatever the OpenAPI document allows is answered as it says, and whatever it does not is refused.

schemathesis asks a real API, with all of its checks: undocumented statuses, content types, headers and
bodies, wrong data that is taken, valid data that is refused, methods, errors of the server. In CI a bounded
number of requests, always the same ones. A long run with others:

    make test ARGS="tests/acceptance/test_any_request.py --requests 500"
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.beside import beside, deploy_export, make_pool
from tests.running_stack import Stack

HERE = Path(__file__).parent
DEPLOYMENT = "unworked"
FEW, SECONDS_FOR_FEW = 5, 60


@pytest.fixture(scope="module")
def url(stack: Stack, prefect: httpx.Client) -> Iterator[str]:
    """An API whose exports no worker takes: thousands of them would keep the other tests' from their turn."""
    make_pool(prefect, DEPLOYMENT, "process")
    deployment_id = deploy_export(prefect, DEPLOYMENT, DEPLOYMENT)
    # A machine that is busy with other tests is no outage.
    settings = {"REPORTS_DEPLOYMENT": f"export-report/{DEPLOYMENT}", "REPORTS_OUTAGE_SECONDS": "30"}
    with beside(stack) as others:
        yield others.api(**settings)
    forget(prefect, deployment_id)


def forget(prefect: httpx.Client, deployment_id: str) -> None:
    """Its exports, and the recurring ones, whose deployments are copies of it."""
    on_pool = {"work_pools": {"name": {"any_": [DEPLOYMENT]}}}
    while found := prefect.post("/deployments/filter", json=on_pool).raise_for_status().json():
        for each in found:
            prefect.delete(f"/deployments/{each['id']}").raise_for_status()
    prefect.delete(f"/work_pools/{DEPLOYMENT}").raise_for_status()


def test_every_answer_is_as_described(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    wanted = request.config.getoption("--requests")
    many = [f"--max-examples={wanted}"]
    few = ["--generation-deterministic", f"--max-examples={FEW}", f"--max-time={SECONDS_FOR_FEW}"]
    command = ["run", f"{url}/openapi.json", "--no-color", "--suppress-health-check=all"]
    done = subprocess.run(  # noqa: S603 - the program that is locked with the rest
        [
            f"{Path(sys.executable).parent}/schemathesis",
            f"--config-file={HERE / 'schemathesis.toml'}",
            *command,
            *(few if wanted is None else many),
        ],
        cwd=tmp_path,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:]
