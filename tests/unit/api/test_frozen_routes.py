"""The two routes of the article on fakes: whole bodies, byte for byte."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response

from api.access.caller import LOCAL, Caller
from api.access.catalog import Catalog
from api.context import Context
from api.exports.job import Job
from api.exports.poll_watcher import CachedJob
from api.routes import article
from api.web import problems
from api.web.metrics import Metrics
from flows.query.request import ExportRequest
from flows.reports import catalog
from flows.runs.receipt import RunProgress
from flows.storage.protocol import Link
from tests.support.clock import NOON
from tests.support.golden import golden
from tests.support.prefect_job import HALF, JOB_ID, WHOLE, failed, job

ARTICLES_BODY = {
    "surveyId": "668b6fa3b8d693cd865b44bb",
    "from": "2024-7-19",
    "to": "2024-7-26",
    "filters": {"isAttended": True, "utm": "wa"},
}
UNAVAILABLE = "The database that holds the report could not be reached."


class Open:
    """Without authentication."""

    def caller(self, _: Any) -> Caller:
        return LOCAL


ANYBODY = Open()


class Parts:
    """Source, runs, links and watcher in one: knows one job and records starts."""

    def __init__(self) -> None:
        self.job, self.replayed = job("SCHEDULED", RunProgress()), False
        self.started: list[dict[str, Any]] = []

    async def check_request(self, request: ExportRequest) -> None:
        pass

    async def start(self, request: ExportRequest, *_: Any) -> tuple[Job, bool]:
        self.started.append(dict(request.body))
        return self.job, self.replayed

    def watch(self, *_: Any) -> None:
        pass

    async def read(self, job_id: str, caller: str) -> CachedJob | None:
        return CachedJob(self.job, stale=False) if job_id == self.job.run.id else None

    async def link_to(self, made: Job) -> Link:
        return Link(f"https://files.example.com/{made.run.id}/1.csv?X-Amz-Signature=9f86d0", NOON)


@pytest.fixture
def parts() -> Parts:
    return Parts()


@dataclass
class Client:
    """Calls the routes in this process, without a network."""

    app: FastAPI

    def get(self, url: str, **given: Any) -> Response:
        return asyncio.run(self._call("GET", url, **given))

    def post(self, url: str, **given: Any) -> Response:
        return asyncio.run(self._call("POST", url, **given))

    async def _call(self, method: str, url: str, **given: Any) -> Response:
        transport = ASGITransport(self.app)
        async with AsyncClient(transport=transport, base_url="https://reports.example.com") as client:
            return await client.request(method, url, **given)


@pytest.fixture
def client(parts: Parts) -> Client:
    app = FastAPI()
    problems.install(app)
    app.include_router(article.router)
    fakes: dict[str, Any] = dict.fromkeys(Context.__dataclass_fields__, parts)
    app.state.context = Context(
        **fakes | {"catalog": Catalog.of(catalog()), "metrics": Metrics(), "authentication": ANYBODY}
    )
    return Client(app)


def poll(client: Client, job_id: str = JOB_ID) -> Response:
    return client.get("/reports/csv", params={"jobId": job_id})


def test_a_start_answers_with_the_jobs_id(client: Client, parts: Parts) -> None:
    answer = client.post("/reports/csv", json=ARTICLES_BODY)
    assert (answer.status_code, answer.content) == (200, golden("start.json"))
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["location"] == f"/exports/{JOB_ID}"
    assert answer.headers["retry-after"] == "1"
    assert "idempotent-replayed" not in answer.headers
    assert parts.started == [ARTICLES_BODY]


def test_an_asynchronous_answer_has_the_same_body(client: Client) -> None:
    answer = client.post("/reports/csv", json=ARTICLES_BODY, headers={"Prefer": "respond-async"})
    assert (answer.status_code, answer.content) == (202, golden("start.json"))


def test_a_replayed_start_differs_only_in_a_header(client: Client, parts: Parts) -> None:
    parts.replayed = True
    answer = client.post("/reports/csv", json=ARTICLES_BODY)
    assert (answer.status_code, answer.content) == (200, golden("start.json"))
    assert answer.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize(
    ("made", "body"),
    [
        (job("SCHEDULED", RunProgress()), "poll_queued.json"),
        (job("RUNNING", RunProgress()), "poll_queued.json"),
        (job("RUNNING", HALF), "poll_running.json"),
        (job("CRASHED", HALF), "poll_running.json"),
        (job("RUNNING", WHOLE), "poll_finalizing.json"),
        (job("COMPLETED", WHOLE), "poll_done.json"),
        (failed("source.unavailable", UNAVAILABLE), "poll_error.json"),
        (failed("internal", "psycopg.OperationalError: db1.internal"), "poll_internal_error.json"),
        (job("CANCELLED"), "poll_cancelled.json"),
    ],
)
def test_the_body_of_a_poll_matches_the_article_byte_for_byte(
    client: Client, parts: Parts, made: Job, body: str
) -> None:
    parts.job = made
    answer = poll(client)
    assert (answer.status_code, answer.content) == (200, golden(body))
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


def test_an_unknown_job_is_not_found(client: Client) -> None:
    answer = poll(client, JOB_ID.replace("8", "0"))
    assert (answer.status_code, answer.content) == (404, golden("poll_unknown.json"))
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_id_may_have_capital_letters(client: Client) -> None:
    assert poll(client, JOB_ID.upper()).content == golden("poll_queued.json")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "jobId=",
        "jobId=1",
        f"jobId={JOB_ID}&jobId={JOB_ID}",
        f"jobId={JOB_ID}0",
        f"jobId={JOB_ID}%0A",
        f"jobId=%7B{JOB_ID}%7D",
        f"jobId={JOB_ID.replace('-', '')}",
        "jobId=..%2F..%2Fetc%2Fpasswd",
        f"jobid={JOB_ID}",
        f"jobId={JOB_ID}&extra=1",
    ],
)
def test_a_malformed_job_id_is_refused_by_name(client: Client, query: str) -> None:
    answer = client.get(f"/reports/csv?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] in ("/jobId", "/jobid", "/extra")
    assert answer.json()["data"] is None


@pytest.mark.parametrize(
    ("content", "status", "body"),
    [
        (
            b'{"surveyId":"668b6fa3b8d693cd865b44bb","from":"2024-13-1","to":"2024-7-26",'
            b'"filters":{"isAttended":1}}',
            422,
            "start_invalid.json",
        ),
        (b"", 400, "start_not_json.json"),
    ],
)
def test_a_refusal_names_every_mistake_and_starts_nothing(
    client: Client, parts: Parts, content: bytes, status: int, body: str
) -> None:
    answer = client.post("/reports/csv", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.content) == (status, golden(body))
    assert answer.headers["content-type"] == "application/problem+json"
    assert parts.started == []


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"Content-Type": "text/plain"}, b"{}", 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"{}", 415),
        ({"Content-Type": "application/json"}, b" " * 65_537, 413),
        ({"Content-Type": "application/json"}, b"[" * 65_536, 400),
        ({"Content-Type": "application/json; charset=utf-8"}, b"[]", 422),
        ({"Content-Type": "application/json", "Idempotency-Key": ""}, b"{}", 422),
        ({"Content-Type": "application/json", "Idempotency-Key": "a b"}, b"{}", 422),
        ({"Content-Type": "application/json", "Idempotency-Key": "x" * 256}, b"{}", 422),
    ],
)
def test_an_unacceptable_body_starts_nothing(
    client: Client, parts: Parts, headers: dict[str, str], content: bytes, status: int
) -> None:
    answer = client.post("/reports/csv", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert answer.json()["data"] is None
    assert parts.started == []
