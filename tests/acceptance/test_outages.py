"""Test that routes respond quickly with 503 while a component that they need is unreachable.

Routes that do not need the component must keep working.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest

from api.readiness import CACHED_SECONDS
from tests.support.blockable_proxy import BlockableProxy
from tests.support.export_client import ARTICLES_REQUEST, SURVEY
from tests.support.extra_processes import extra_processes
from tests.support.running_stack import Stack
from tests.support.tcp_proxy import TcpProxy, Weather

PROMISED_SECONDS, ALLOWED_SECONDS = 2.0, 3.0
RECOVERY_TIMEOUT_SECONDS = 20
REQUESTS_IN_FLIGHT = 60
TABLE = f"/reports?surveyId={SURVEY}&from=2024-7-19&to=2024-7-26"
READINESS = ["database", "prefect", "storage"]
NAMES = {"prefect": "The job server", "database": "The database that holds the report"}
SHORT_TIMEOUT = {"REPORTS_OUTAGE_SECONDS": "1.5"}  # This is the default value.
MODES = ["closed", "silent"]
SLOW = Weather(latency=2.5)  # in each direction, so Prefect appears to need five seconds for a response
SLOW_STARTS = 3


@dataclass(frozen=True)
class Api:
    """An API that connects to its components through proxies that tests can block."""

    client: httpx.Client
    proxies: dict[str, BlockableProxy]
    read_log: Callable[[], str] = str

    def request(self, target: str) -> httpx.Response:
        """Request the path `target`, or start an export if `target` is `start`. Check the response time."""
        started = time.perf_counter()
        if target == "start":
            answer = self.client.post("/reports/csv", json=ARTICLES_REQUEST)
        else:
            answer = self.client.get(target)
        seconds = time.perf_counter() - started
        print(f"{target}: {answer.status_code} after {seconds:.2f} s (promised: {PROMISED_SECONDS} s)")  # noqa: T201
        assert seconds < ALLOWED_SECONDS
        return answer

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + RECOVERY_TIMEOUT_SECONDS
        while (answer := self.client.get("/readyz")).status_code != httpx.codes.OK:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.1)


@pytest.fixture(scope="module")
def proxied(stack: Stack) -> Iterator[Api]:
    proxies = {
        "prefect": BlockableProxy(stack.prefect_api_url),
        "database": BlockableProxy(stack.database_url),
        "storage": BlockableProxy(stack.s3_endpoint_url),
    }
    settings = {
        "PREFECT_API_URL": proxies["prefect"].url,
        "REPORTS_DATABASE_URL": proxies["database"].url,
        "AWS_ENDPOINT_URL": proxies["storage"].url,
        **SHORT_TIMEOUT,
    }
    with (
        extra_processes(stack) as processes,
        httpx.Client(base_url=processes.start_api(**settings), timeout=30, trust_env=False) as client,
    ):
        yield Api(client, proxies, lambda: processes.output(processes.api_process))
    for proxy in proxies.values():
        proxy.close()


def unknown_job() -> str:
    return str(uuid.uuid4())


def assert_unavailable(answer: httpx.Response, component: str) -> None:
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    problem = answer.json()
    assert (problem["status"], problem["data"]) == (503, None)
    assert problem["detail"] == f"{component} cannot be reached at the moment. Try again in a few seconds."


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("component", ["prefect", "database", "storage"])
def test_readiness_names_the_component_and_recovers(proxied: Api, component: str, mode: str) -> None:
    proxied.wait_until_ready()
    with proxied.proxies[component].blocked(mode):
        time.sleep(CACHED_SECONDS)
        answer = proxied.request("/readyz")
        assert answer.status_code == 503
        checks = answer.json()["checks"]
        assert {name: checks[name] for name in READINESS} == {
            name: "failed" if name == component else "ok" for name in READINESS
        }
        assert proxied.request("/healthz").json() == {"status": "ok"}
    proxied.wait_until_ready()


@pytest.mark.parametrize("mode", MODES)
def test_without_prefect_starts_and_unknown_jobs_are_503(proxied: Api, mode: str) -> None:
    proxied.wait_until_ready()
    with proxied.proxies["prefect"].blocked(mode):
        for target in ("start", f"/reports/csv?jobId={unknown_job()}", f"/exports/{unknown_job()}"):
            assert_unavailable(proxied.request(target), NAMES["prefect"])
        assert proxied.request(TABLE).status_code == 200
        assert proxied.request("/report-types").status_code == 200
    proxied.wait_until_ready()


def test_the_api_recovers_from_a_silence_of_prefect_under_load(proxied: Api) -> None:
    """Regression test: cancelled requests used to exhaust the connection pool permanently."""
    proxied.wait_until_ready()
    limits = httpx.Limits(max_connections=REQUESTS_IN_FLIGHT)
    with (
        httpx.Client(base_url=proxied.client.base_url, timeout=30, trust_env=False, limits=limits) as client,
        ThreadPoolExecutor(REQUESTS_IN_FLIGHT) as pool,
    ):
        with proxied.proxies["prefect"].blocked("silent"):
            for _ in range(3):
                paths = [f"/exports/{unknown_job()}" for _ in range(REQUESTS_IN_FLIGHT)]
                assert {answer.status_code for answer in pool.map(client.get, paths)} == {503}
        proxied.wait_until_ready()
        paths = [f"/exports/{unknown_job()}" for _ in range(REQUESTS_IN_FLIGHT)]
        assert {answer.status_code for answer in pool.map(client.get, paths)} == {404}, proxied.read_log()


@pytest.fixture
def slow_prefect(stack: Stack) -> Iterator[httpx.Client]:
    """Start an API to which Prefect responds slowly, and wait until it has received the first response."""
    proxy = TcpProxy(stack.prefect_api_url)
    proxy.weather = SLOW
    with (
        extra_processes(stack) as processes,
        httpx.Client(
            base_url=processes.start_api(PREFECT_API_URL=proxy.url, **SHORT_TIMEOUT),
            timeout=60,
            trust_env=False,
        ) as client,
    ):
        deadline = time.monotonic() + RECOVERY_TIMEOUT_SECONDS
        while (answer := client.get(f"/exports/{unknown_job()}")).status_code != httpx.codes.NOT_FOUND:
            assert time.monotonic() < deadline, answer.text
        yield client
    proxy.close()


def test_a_start_is_slow_but_not_rejected_while_prefect_is_slow(slow_prefect: httpx.Client) -> None:
    """Regression test: starts failed if Prefect needed longer for a response than the outage limit."""

    def start_one(number: int) -> httpx.Response:
        body = {"report": "orders", "from": "2024-03-01", "to": "2024-03-02", "name": f"slow {number}"}
        return slow_prefect.post("/exports", json=body)

    with ThreadPoolExecutor(SLOW_STARTS) as pool:
        answers = list(pool.map(start_one, range(SLOW_STARTS)))
    assert [answer.status_code for answer in answers] == [202] * SLOW_STARTS, [a.text for a in answers]
    assert min(answer.elapsed.total_seconds() for answer in answers) > 5


@pytest.mark.parametrize("mode", MODES)
def test_without_the_database_starts_and_tables_are_503(proxied: Api, mode: str) -> None:
    proxied.wait_until_ready()
    with proxied.proxies["database"].blocked(mode):
        for target in ("start", TABLE):
            assert_unavailable(proxied.request(target), NAMES["database"])
        assert proxied.request(f"/reports/csv?jobId={unknown_job()}").status_code == 404
    proxied.wait_until_ready()


@pytest.mark.parametrize("mode", MODES)
def test_without_the_storage_jobs_and_tables_still_work(proxied: Api, mode: str) -> None:
    proxied.wait_until_ready()
    with proxied.proxies["storage"].blocked(mode):
        assert proxied.request(f"/reports/csv?jobId={unknown_job()}").status_code == 404
        assert proxied.request(TABLE).status_code == 200
    proxied.wait_until_ready()


@pytest.fixture
def done(proxied: Api) -> str:
    """Return the id of a finished export that no other test deletes."""
    proxied.wait_until_ready()
    body = {"report": "orders", "from": "2024-03-01", "to": "2024-03-02"}
    key = {"Idempotency-Key": uuid.uuid4().hex}
    job_id = str(proxied.client.post("/exports", json=body, headers=key).raise_for_status().json()["id"])
    deadline = time.monotonic() + 60
    while (job := proxied.client.get(f"/exports/{job_id}").json())["status"] != "done":
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    return job_id


@pytest.mark.parametrize("mode", MODES)
def test_deleting_without_prefect_changes_nothing(proxied: Api, done: str, mode: str) -> None:
    with proxied.proxies["prefect"].blocked(mode):
        assert_unavailable(proxied.client.delete(f"/exports/{done}"), NAMES["prefect"])
    proxied.wait_until_ready()
    link = proxied.client.get(f"/exports/{done}").raise_for_status().json()["file"]["url"]
    assert httpx.get(link, trust_env=False).status_code == 200


@pytest.mark.parametrize("mode", MODES)
def test_deleting_without_the_storage_hides_the_export(proxied: Api, done: str, mode: str) -> None:
    with proxied.proxies["storage"].blocked(mode):
        assert proxied.client.delete(f"/exports/{done}").status_code == 204
        assert proxied.client.get(f"/exports/{done}").status_code == 404
    proxied.wait_until_ready()


@pytest.mark.parametrize("mode", MODES)
def test_an_api_that_starts_during_a_total_outage_reports_it(stack: Stack, mode: str) -> None:
    urls = {"PREFECT_API_URL": stack.prefect_api_url, "REPORTS_DATABASE_URL": stack.database_url}
    proxies = {
        name: BlockableProxy(url)
        for name, url in (urls | {"AWS_ENDPOINT_URL": stack.s3_endpoint_url}).items()
    }
    with (
        proxies["PREFECT_API_URL"].blocked(mode),
        proxies["REPORTS_DATABASE_URL"].blocked(mode),
        proxies["AWS_ENDPOINT_URL"].blocked(mode),
        extra_processes(stack) as processes,
    ):
        address = processes.start_api(**{name: proxy.url for name, proxy in proxies.items()}, **SHORT_TIMEOUT)
        with httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
            api = Api(client, {})
            assert api.request("/healthz").status_code == 200
            answer = api.request("/readyz")
            assert answer.status_code == 503
            checks = answer.json()["checks"]
            assert {checks[name] for name in (*READINESS, "worker")} == {"failed"}
            assert set(answer.json()["reasons"]) >= {*READINESS, "worker"}
            assert_unavailable(api.request("start"), NAMES["database"])
            assert_unavailable(api.request(f"/exports/{unknown_job()}"), NAMES["prefect"])
    for proxy in proxies.values():
        proxy.close()
