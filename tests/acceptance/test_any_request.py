"""Use schemathesis to test that the API conforms to its OpenAPI document.

All schemathesis checks are enabled. They report undocumented responses (statuses, content types, headers and
bodies), invalid data that is accepted, valid data that is rejected, unsupported methods that are accepted,
and server errors. CI sends a small, fixed set of requests. To send 500 random requests to each route, run:

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
# CI does not test these operations with boundary values, because their request bodies are similar to those of
# startExport or slow to generate.
SIMILAR = ["startCsv", "createSchedule", "changeSchedule", "previewSchedule"]
IN_CI = {
    "boundary values": [
        "--phases=examples,coverage",
        "--max-time=20",  # in seconds; only some of the roughly 1,000 requests are sent in this time
        *(f"--exclude-operation-id={id_}" for id_ in SIMILAR),
    ],
    "random values": ["--phases=fuzzing", "--max-examples=2"],
    "sequences of requests": ["--phases=stateful", "--max-examples=2"],
}


@pytest.fixture(scope="module")
def url(stack: Stack, prefect: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start an API whose work pool has no worker, so that hundreds of exports do not delay other tests."""
    create_pool(prefect, DEPLOYMENT, "process")
    deploy_export(prefect, DEPLOYMENT, DEPLOYMENT)
    # Use a long timeout, so that a busy machine is not mistaken for an outage.
    settings = {
        "REPORTS_DEPLOYMENT": f"export-report/{DEPLOYMENT}",
        "REPORTS_WORK_POOL": DEPLOYMENT,
        "REPORTS_OUTAGE_SECONDS": "30",
    }
    secret = tmp_path_factory.mktemp("secret") / "webhooks"
    secret.write_text(token_urlsafe(32))
    settings["REPORTS_WEBHOOK_SECRET_FILE"] = str(secret)
    with extra_processes(stack) as processes:
        yield processes.start_api(**settings)
    delete_all(prefect)


def delete_all(prefect: httpx.Client) -> None:
    """Delete the pool and its runs and deployments, because other tests list the same caller's exports."""
    in_pool = {"work_pools": {"name": {"any_": [DEPLOYMENT]}}}
    for kind in ("deployments", "flow_runs"):
        while items := prefect.post(f"/{kind}/filter", json=in_pool).raise_for_status().json():
            for item in items:
                prefect.delete(f"/{kind}/{item['id']}").raise_for_status()
    prefect.delete(f"/work_pools/{DEPLOYMENT}").raise_for_status()


def run_schemathesis(url: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - a locked dependency
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
def test_every_response_conforms_to_the_openapi_document(
    url: str, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    requests = request.config.getoption("--requests")
    options = [*IN_CI[kind], "--generation-deterministic"]
    if requests is not None:
        options = [IN_CI[kind][0], f"--max-examples={requests}"]
    result = run_schemathesis(url, tmp_path, *options)
    assert result.returncode == 0, result.stdout[-20_000:] + result.stderr
