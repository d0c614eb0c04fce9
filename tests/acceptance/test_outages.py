"""What needs a part that is away answers 503 in words, soon; what does not need it goes on."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.support.blockable_proxy import BlockableProxy
from tests.support.export_client import ARTICLES_REQUEST, SURVEY
from tests.support.extra_processes import extra_processes
from tests.support.running_stack import Stack

PROMISED_SECONDS, ALLOWED_SECONDS = 2.0, 3.0
BACK_WITHIN_SECONDS = 20
TABLE = f"/reports?surveyId={SURVEY}&from=2024-7-19&to=2024-7-26"
READINESS = ["database", "prefect", "storage"]
WORDS = {"prefect": "The job server", "database": "The database that holds the report"}
IMPATIENT = {"REPORTS_OUTAGE_SECONDS": "1.5"}  # as by default
HOW = ["closed", "silent"]


@dataclass(frozen=True)
class Api:
    """An API process whose every connection can be blocked."""

    client: httpx.Client
    ways: dict[str, BlockableProxy]

    def ask(self, what: str) -> httpx.Response:
        """`start` or a path; prints how long the answer took."""
        begun = time.perf_counter()
        if what == "start":
            answer = self.client.post("/reports/csv", json=ARTICLES_REQUEST)
        else:
            answer = self.client.get(what)
        seconds = time.perf_counter() - begun
        print(f"{what}: {answer.status_code} after {seconds:.2f} s (promised: {PROMISED_SECONDS} s)")  # noqa: T201
        assert seconds < ALLOWED_SECONDS
        return answer

    def until_ready(self) -> None:
        until = time.monotonic() + BACK_WITHIN_SECONDS
        while (answer := self.client.get("/readyz")).status_code != httpx.codes.OK:
            assert time.monotonic() < until, answer.text
            time.sleep(0.1)


@pytest.fixture(scope="module")
def through(stack: Stack) -> Iterator[Api]:
    ways = {
        "prefect": BlockableProxy(stack.prefect_api_url),
        "database": BlockableProxy(stack.database_url),
        "storage": BlockableProxy(stack.s3_endpoint_url),
    }
    settings = {
        "PREFECT_API_URL": ways["prefect"].url,
        "REPORTS_DATABASE_URL": ways["database"].url,
        "AWS_ENDPOINT_URL": ways["storage"].url,
        **IMPATIENT,
    }
    with (
        extra_processes(stack) as processes,
        httpx.Client(base_url=processes.start_api(**settings), timeout=30, trust_env=False) as client,
    ):
        yield Api(client, ways)
    for way in ways.values():
        way.close()


def unknown_job() -> str:
    """One that this process has not read, whatever Prefect would say of it."""
    return str(uuid.uuid4())


def assert_unavailable(answer: httpx.Response, words: str) -> None:
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    problem = answer.json()
    assert (problem["status"], problem["data"]) == (503, None)
    assert problem["detail"] == f"{words} cannot be reached at the moment. Please try again in a few seconds."


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("part", ["prefect", "database", "storage"])
def test_readiness_names_the_part_and_comes_back(through: Api, part: str, how: str) -> None:
    through.until_ready()
    with through.ways[part].blocked(how):
        answer = through.ask("/readyz")
        assert answer.status_code == 503
        checks = answer.json()["checks"]
        assert {name: checks[name] for name in READINESS} == {
            name: "failed" if name == part else "ok" for name in READINESS
        }
        assert through.ask("/healthz").json() == {"status": "ok"}
    through.until_ready()


@pytest.mark.parametrize("how", HOW)
def test_without_prefect_nothing_is_started_and_no_job_is_known(through: Api, how: str) -> None:
    through.until_ready()
    with through.ways["prefect"].blocked(how):
        for what in ("start", f"/reports/csv?jobId={unknown_job()}", f"/exports/{unknown_job()}"):
            assert_unavailable(through.ask(what), WORDS["prefect"])
        assert through.ask(TABLE).status_code == 200
        assert through.ask("/report-types").status_code == 200
    through.until_ready()


@pytest.mark.parametrize("how", HOW)
def test_without_the_database_nothing_is_started_and_there_is_no_table(through: Api, how: str) -> None:
    through.until_ready()
    with through.ways["database"].blocked(how):
        for what in ("start", TABLE):
            assert_unavailable(through.ask(what), WORDS["database"])
        assert through.ask(f"/reports/csv?jobId={unknown_job()}").status_code == 404
    through.until_ready()


@pytest.mark.parametrize("how", HOW)
def test_without_the_storage_jobs_and_tables_are_answered(through: Api, how: str) -> None:
    through.until_ready()
    with through.ways["storage"].blocked(how):
        assert through.ask(f"/reports/csv?jobId={unknown_job()}").status_code == 404
        assert through.ask(TABLE).status_code == 200
    through.until_ready()


@pytest.mark.parametrize("how", HOW)
def test_an_api_that_starts_while_all_is_away_says_so(stack: Stack, how: str) -> None:
    urls = {"PREFECT_API_URL": stack.prefect_api_url, "REPORTS_DATABASE_URL": stack.database_url}
    ways = {
        name: BlockableProxy(url)
        for name, url in (urls | {"AWS_ENDPOINT_URL": stack.s3_endpoint_url}).items()
    }
    with (
        ways["PREFECT_API_URL"].blocked(how),
        ways["REPORTS_DATABASE_URL"].blocked(how),
        ways["AWS_ENDPOINT_URL"].blocked(how),
        extra_processes(stack) as processes,
    ):
        address = processes.start_api(**{name: way.url for name, way in ways.items()}, **IMPATIENT)
        with httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
            api = Api(client, {})
            assert api.ask("/healthz").status_code == 200
            answer = api.ask("/readyz")
            assert answer.status_code == 503
            assert set(answer.json()["checks"].values()) == {"failed"}
            assert_unavailable(api.ask("start"), WORDS["database"])
            assert_unavailable(api.ask(f"/exports/{unknown_job()}"), WORDS["prefect"])
    for way in ways.values():
        way.close()
