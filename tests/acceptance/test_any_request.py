"""Whatever the OpenAPI document allows is answered as it says, and whatever it does not is refused.

schemathesis asks a real API, with all of its checks: undocumented statuses, content types, headers and
bodies, wrong data that is taken, valid data that is refused, methods, errors of the server. In CI a bounded
number of requests, always the same ones. A long run with others, so many for each route:

    make test ARGS="tests/acceptance/test_any_request.py --requests 500 --timeout 0"
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from secrets import token_urlsafe

import httpx
import pytest

from tests.support.extra_processes import create_pool, deploy_export, extra_processes
from tests.support.running_stack import Stack

HERE = Path(__file__).parent
DEPLOYMENT, HOOKS = "unworked", "schemathesis_hooks"
# Their bodies are those of startExport, and another body that takes long to read: random ones must do.
ALIKE = ["startCsv", "createSchedule", "changeSchedule", "previewSchedule"]
IN_CI = {
    "limits of every value": [
        "--phases=examples,coverage",
        "--max-time=20",  # of a thousand requests, as many as that allows
        *(f"--exclude-operation-id={id_}" for id_ in ALIKE),
    ],
    "random values": ["--phases=fuzzing", "--max-examples=2"],
    "one after the other": ["--phases=stateful", "--max-examples=2"],
}


@pytest.fixture(scope="module")
def url(stack: Stack, prefect: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An API whose exports no worker takes: hundreds of them would keep the other tests' from their turn."""
    create_pool(prefect, DEPLOYMENT, "process")
    deploy_export(prefect, DEPLOYMENT, DEPLOYMENT)
    # A machine that is busy with other tests is no outage.
    settings = {"REPORTS_DEPLOYMENT": f"export-report/{DEPLOYMENT}", "REPORTS_OUTAGE_SECONDS": "30"}
    secret = tmp_path_factory.mktemp("secret") / "webhooks"
    secret.write_text(token_urlsafe(32))
    settings["REPORTS_WEBHOOK_SECRET_FILE"] = str(secret)
    with extra_processes(stack) as others:
        yield others.start_api(**settings)
    forget_all(prefect)


def forget_all(prefect: httpx.Client) -> None:
    """What was started and made, and the pool: other tests list the same caller's."""
    here = {"work_pools": {"name": {"any_": [DEPLOYMENT]}}}
    for kind in ("deployments", "flow_runs"):
        while found := prefect.post(f"/{kind}/filter", json=here).raise_for_status().json():
            for each in found:
                prefect.delete(f"/{kind}/{each['id']}").raise_for_status()
    prefect.delete(f"/work_pools/{DEPLOYMENT}").raise_for_status()


def ask(url: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the program that is locked with the rest
        [
            *(
                f"{Path(sys.executable).parent}/schemathesis",
                "--config-file",
                str(HERE / "schemathesis.toml"),
            ),
            *("run", f"{url}/openapi.json", "--no-color", "--suppress-health-check=all", *options),
        ],
        cwd=folder,
        env={**os.environ, "NO_PROXY": "127.0.0.1", "SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("kind", IN_CI)
def test_every_answer_is_as_described(
    url: str, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    wanted = request.config.getoption("--requests")
    options = [*IN_CI[kind], "--generation-deterministic"]
    if wanted is not None:
        options = [IN_CI[kind][0], f"--max-examples={wanted}"]
    done = ask(url, tmp_path, *options)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
