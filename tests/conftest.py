import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.session
import httpx
import psycopg
import pytest

from flows.storage.s3 import S3Storage
from tests.support.extra_processes import ExtraProcesses, extra_processes
from tests.support.guarantee_table import GuaranteeTable
from tests.support.openapi_conformance import response_hook
from tests.support.running_stack import Stack, temporary_stack
from tests.support.static_site import static_site
from tests.support.webhook_receiver import Receiver, running_receiver

SCRATCH = "scratch"
SHORT_RUN_SEED = 1
LONG_RUN_TIMEOUT_SECONDS = 1800


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--requests", type=int, help="requests per route, see test_any_request.py")
    parser.addoption("--faults", choices=("some", "all"), default="some", help="how many faults to inject")
    parser.addoption("--seed", type=int, help="seed of the random choices of fault tests")
    parser.addoption("--locked-image", action="store_true", help="install the image's locked dependencies")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a long run, deselect the tests that add no row to the table of guarantees.

    The remaining tests get more time, which includes the time to start a stack.
    """
    if config.getoption("--faults") == "all":
        others = [item for item in items if "guarantees" not in getattr(item, "fixturenames", [])]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]
        for item in items:
            item.add_marker(pytest.mark.timeout(LONG_RUN_TIMEOUT_SECONDS))


@pytest.fixture(scope="session")
def is_long_run(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--faults") == "all")


@pytest.fixture(scope="session")
def guarantees(request: pytest.FixtureRequest, is_long_run: bool) -> Iterator[GuaranteeTable]:
    """Collect the results of the guarantee tests. The long run writes them to docs/guarantees.md.

    If --seed is not set, the long run uses a random seed and the short run uses a fixed one.
    """
    seed = request.config.getoption("--seed")
    if seed is None:
        seed = random.SystemRandom().randrange(10**6) if is_long_run else SHORT_RUN_SEED
    table = GuaranteeTable(seed)
    yield table
    if is_long_run and table.figures:
        table.write(datetime.now(UTC).date())


@pytest.fixture(scope="session")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """Run a webhook receiver that the stack is allowed to call."""
    with running_receiver(tmp_path_factory.mktemp("receiver")) as receiver:
        yield receiver


@pytest.fixture(scope="session")
def stack(receiver: Receiver, is_long_run: bool) -> Iterator[Stack]:
    """Run the stack that all tests share. Tests must not change its sample data.

    A long run should not fail because a busy machine did not start the stack in time.
    """
    webhook_retries = {"REPORTS_WEBHOOK_ATTEMPTS": "3", "REPORTS_WEBHOOK_RETRY_SECONDS": "0.2"}
    with temporary_stack(receiver.settings | webhook_retries, tries=2 if is_long_run else 1) as stack:
        yield stack


@pytest.fixture(scope="session")
def api(stack: Stack) -> Iterator[httpx.Client]:
    """Return a client that validates every response against the OpenAPI document."""
    hooks = {"response": [response_hook(stack.api_url)]}
    with httpx.Client(base_url=stack.api_url, timeout=30, trust_env=False, event_hooks=hooks) as client:
        yield client


@pytest.fixture(scope="session")
def prefect(stack: Stack) -> Iterator[httpx.Client]:
    with stack.prefect_client() as client:
        yield client


@pytest.fixture
def database(stack: Stack) -> Iterator[psycopg.Connection]:
    """Connect to the source database as its superuser."""
    with psycopg.connect(stack.libpq_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def scratch_url(stack: Stack) -> str:
    """Create an empty database on the stack's PostgreSQL server and return its URL."""
    with psycopg.connect(stack.libpq_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {SCRATCH} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {SCRATCH}")
    return stack.admin_database_url.rpartition("/")[0] + f"/{SCRATCH}"


@pytest.fixture(scope="session")
def storage(stack: Stack) -> S3Storage:
    """Return the service's storage client for the stack's S3 server."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.aws.items():
            patch.setenv(name, value)
        storage = S3Storage(stack.bucket, "tests")
        storage.check()  # connect now, while the environment contains the credentials
        return storage


@pytest.fixture(scope="session")
def s3(stack: Stack) -> Iterator[Any]:
    """Return a botocore client for the stack's S3 server."""
    client = botocore.session.Session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=stack.s3_endpoint_url,
        aws_access_key_id=stack.aws_access_key_id,
        aws_secret_access_key=stack.aws_secret_access_key,
    )
    yield client
    client.close()


@pytest.fixture(scope="session")
def guarded_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of the guarded API's key file. Each test module adds keys for its own callers."""
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Serve a folder on an origin that may call the guarded API. Yield the origin and the folder."""
    folder = tmp_path_factory.mktemp("shop")
    with static_site(folder) as port:
        yield f"http://127.0.0.1:{port}", folder


@pytest.fixture(scope="session")
def guarded_api(
    stack: Stack, guarded_keys: Path, receiver: Receiver, shop: tuple[str, Path]
) -> Iterator[tuple[str, ExtraProcesses]]:
    """Start a second API that requires keys and logs JSON. Yield its URL and its processes."""
    settings = receiver.settings | {
        "REPORTS_KEYS_FILE": str(guarded_keys),
        "REPORTS_OUTAGE_SECONDS": "60",
        "REPORTS_CORS_ORIGINS": shop[0],
        "REPORTS_TOKEN_SECRET_FILE": str(stack.data_dir / "token-secret"),
    }
    with extra_processes(stack) as processes:
        yield processes.start_api(REPORTS_LOG_FORMAT="json", **settings), processes


@pytest.fixture(scope="session")
def guarded_url(guarded_api: tuple[str, ExtraProcesses]) -> str:
    return guarded_api[0]
