"""Test that the two routes from the original article return exactly the expected bytes.

All dependencies are fakes.
"""

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

ARTICLE_BODY = {
    "surveyId": "668b6fa3b8d693cd865b44bb",
    "from": "2024-7-19",
    "to": "2024-7-26",
    "filters": {"isAttended": True, "utm": "wa"},
}
UNAVAILABLE = "The database that holds the report could not be reached."

SAMPLES = Catalog.of(catalog(("flows.samples",)))


class AllowAll:
    """Authentication that attributes every request to the local caller."""

    def caller(self, _: Any) -> Caller:
        return LOCAL


ALLOW_ALL = AllowAll()


class Fakes:
    """Fake dependencies of the frozen routes, with a single known job.

    `started` contains the bodies of the requests to start an export.
    """

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

    async def check(self, job: Job) -> Job:
        return job

    async def link_to(self, export_job: Job) -> Link:
        return Link(f"https://files.example.com/{export_job.run.id}/1.csv?X-Amz-Signature=9f86d0", NOON)


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


@dataclass
class Client:
    """Client that calls the routes in the same process, without a network."""

    app: FastAPI

    def get(self, url: str, **options: Any) -> Response:
        return asyncio.run(self._call("GET", url, **options))

    def post(self, url: str, **options: Any) -> Response:
        return asyncio.run(self._call("POST", url, **options))

    async def _call(self, method: str, url: str, **options: Any) -> Response:
        transport = ASGITransport(self.app)
        async with AsyncClient(transport=transport, base_url="https://reports.example.com") as client:
            return await client.request(method, url, **options)


@pytest.fixture
def client(fakes: Fakes) -> Client:
    app = FastAPI()
    problems.install(app)
    app.include_router(article.router)
    parts: dict[str, Any] = dict.fromkeys(Context.__dataclass_fields__, fakes)
    app.state.context = Context(
        **parts | {"catalog": SAMPLES, "metrics": Metrics(), "authentication": ALLOW_ALL}
    )
    return Client(app)


def poll(client: Client, job_id: str = JOB_ID) -> Response:
    return client.get("/reports/csv", params={"jobId": job_id})


def test_a_start_returns_the_job_id(client: Client, fakes: Fakes) -> None:
    response = client.post("/reports/csv", json=ARTICLE_BODY)
    assert (response.status_code, response.content) == (200, golden("start.json"))
    assert response.headers["content-type"] == "application/json"
    assert response.headers["location"] == f"/exports/{JOB_ID}"
    assert response.headers["retry-after"] == "1"
    assert "idempotent-replayed" not in response.headers
    assert fakes.started == [ARTICLE_BODY]


def test_an_asynchronous_response_has_the_same_body(client: Client) -> None:
    response = client.post("/reports/csv", json=ARTICLE_BODY, headers={"Prefer": "respond-async"})
    assert (response.status_code, response.content) == (202, golden("start.json"))


def test_a_replayed_start_differs_only_in_one_header(client: Client, fakes: Fakes) -> None:
    fakes.replayed = True
    response = client.post("/reports/csv", json=ARTICLE_BODY)
    assert (response.status_code, response.content) == (200, golden("start.json"))
    assert response.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize(
    ("export_job", "body"),
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
    client: Client, fakes: Fakes, export_job: Job, body: str
) -> None:
    fakes.job = export_job
    response = poll(client)
    assert (response.status_code, response.content) == (200, golden(body))
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"


def test_an_unknown_job_is_not_found(client: Client) -> None:
    response = poll(client, JOB_ID.replace("8", "0"))
    assert (response.status_code, response.content) == (404, golden("poll_unknown.json"))
    assert response.headers["content-type"] == "application/problem+json"


def test_an_id_may_contain_capital_letters(client: Client) -> None:
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
def test_a_malformed_job_id_is_rejected_by_name(client: Client, query: str) -> None:
    response = client.get(f"/reports/csv?{query}")
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] in ("/jobId", "/jobid", "/extra")
    assert response.json()["data"] is None


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
def test_an_invalid_request_reports_all_errors_and_starts_nothing(
    client: Client, fakes: Fakes, content: bytes, status: int, body: str
) -> None:
    response = client.post("/reports/csv", content=content, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.content) == (status, golden(body))
    assert response.headers["content-type"] == "application/problem+json"
    assert fakes.started == []


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
    client: Client, fakes: Fakes, headers: dict[str, str], content: bytes, status: int
) -> None:
    response = client.post("/reports/csv", content=content, headers=headers)
    assert response.status_code == status
    assert response.json()["status"] == status
    assert response.json()["data"] is None
    assert fakes.started == []
