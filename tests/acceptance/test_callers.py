"""Test that callers see only their own exports and the reports that they may read."""

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from api.access.api_keys import KeyFile
from tests.support.export_client import EMPTY_SURVEY, Session, follow

REQUEST = {"surveyId": EMPTY_SURVEY, "from": "2025-1-1", "to": "2025-1-2"}
ORDERS = {"report": "orders", "from": "2024-03-01", "to": "2024-03-02"}
EXPORT_ROUTES = [
    ("GET", ""),
    ("GET", "/download"),
    ("GET", "/manifest"),
    ("POST", "/cancel"),
    ("POST", "/retry"),
    ("DELETE", ""),
]
GUARDED_ROUTES = [
    ("GET", "/reports"),
    ("GET", "/report-types"),
    ("GET", "/report-types/orders"),
    ("GET", "/report-types/survey-responses/choices/surveyId"),
    ("GET", "/exports"),
    ("POST", "/exports"),
    ("POST", "/reports/csv"),
    ("GET", "/webhook-secret"),
    ("GET", "/reports/csv?jobId=00000000-0000-4000-8000-000000000000"),
]


def client_of(
    url: str, keys: Path, caller: str, reports: list[str] | None = None, pii: bool = True
) -> httpx.Client:
    token = KeyFile(keys).create(caller, reports, datetime.now(UTC), pii)
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)


@pytest.fixture(scope="module")
def ada(guarded_url: str, guarded_keys: Path) -> Iterator[httpx.Client]:
    with client_of(guarded_url, guarded_keys, "ada") as client:
        yield client


@pytest.fixture(scope="module")
def bob(guarded_url: str, guarded_keys: Path) -> Iterator[httpx.Client]:
    with client_of(guarded_url, guarded_keys, "bob", ["survey-responses"]) as client:
        yield client


@pytest.fixture(scope="module")
def adas_job(ada: httpx.Client) -> str:
    job_id = str(ada.post("/exports", json=REQUEST).raise_for_status().json()["id"])
    follow(ada, Session(job_id))
    return job_id


@pytest.mark.parametrize(("method", "path"), GUARDED_ROUTES)
def test_a_request_without_a_key_is_401(guarded_url: str, method: str, path: str) -> None:
    answer = httpx.request(method, guarded_url + path, trust_env=False)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["data"] is None


@pytest.mark.parametrize(("method", "path"), EXPORT_ROUTES)
def test_another_callers_export_is_unknown(bob: httpx.Client, adas_job: str, method: str, path: str) -> None:
    response = bob.request(method, f"/exports/{adas_job}{path}")
    unknown = bob.request(method, f"/exports/00000000-0000-4000-8000-000000000000{path}")
    assert (response.status_code, response.json()) == (404, unknown.json())


def test_another_callers_job_is_unknown_on_the_frozen_route(bob: httpx.Client, adas_job: str) -> None:
    assert bob.get("/reports/csv", params={"jobId": adas_job}).status_code == 404


def test_a_list_contains_only_the_callers_own_exports(
    ada: httpx.Client, bob: httpx.Client, adas_job: str
) -> None:
    bobs_job = bob.post("/exports", json=REQUEST).raise_for_status().json()["id"]
    assert [item["id"] for item in bob.get("/exports").json()["items"]] == [bobs_job]
    assert bobs_job not in [item["id"] for item in ada.get("/exports").json()["items"]]


def test_the_same_request_from_two_callers_starts_two_jobs(ada: httpx.Client, bob: httpx.Client) -> None:
    headers = {"Idempotency-Key": "the-same"}
    first, second = (
        caller.post("/exports", json=REQUEST, headers=headers).json()["id"] for caller in (ada, bob)
    )
    assert first != second


def test_each_caller_has_a_separate_webhook_secret(ada: httpx.Client, bob: httpx.Client) -> None:
    first, second = (
        caller.get("/webhook-secret").raise_for_status().json()["secret"] for caller in (ada, bob)
    )
    assert first != second


def test_a_report_that_the_key_does_not_permit_is_unknown(
    bob: httpx.Client, guarded_url: str, guarded_keys: Path
) -> None:
    assert [report["name"] for report in bob.get("/report-types").json()["items"]] == ["survey-responses"]
    assert bob.get("/report-types/orders").status_code == 404
    with client_of(guarded_url, guarded_keys, "clerk", ["orders"]) as clerk:
        assert clerk.get("/report-types/survey-responses/choices/surveyId").status_code == 404
    assert bob.get("/report-types/survey-responses/choices/surveyId").status_code == 200
    assert bob.post("/exports", json=ORDERS).json()["errors"][0]["pointer"] == "/report"
    assert bob.get("/reports", params=ORDERS).json()["errors"][0]["pointer"] == "/report"
    assert bob.get("/exports", params={"report": "orders"}).status_code == 422


def test_a_revoked_key_stops_working_at_once(guarded_url: str, guarded_keys: Path) -> None:
    with client_of(guarded_url, guarded_keys, "eve") as eve:
        assert eve.get("/exports").status_code == 200
        key_id = next(key.id for key in KeyFile(guarded_keys).keys().values() if key.caller == "eve")
        KeyFile(guarded_keys).revoke(key_id)
        assert eve.get("/exports").status_code == 401


def unsigned_jwt() -> str:
    parts = [{"alg": "none", "typ": "JWT"}, {"sub": "ada", "exp": 4_102_444_800}]
    return ".".join([*(b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts), ""])


@pytest.mark.parametrize(
    "authorization",
    [
        b"",
        b"Bearer",
        b"Bearer nothing",
        b"Basic YWRhOng=",
        b"Bearer \xff\xfe",
        b"Bearer " + unsigned_jwt().encode(),
        b"Bearer " + b"x" * 9_000,
        b"Bearer " + b"x" * 60_000,
    ],
    ids=["empty", "scheme", "word", "basic", "not ASCII", "alg none", "9 kB", "60 kB"],
)
def test_an_invalid_key_is_401_without_details(guarded_url: str, authorization: bytes) -> None:
    headers = {b"authorization": authorization}
    answer = httpx.get(f"{guarded_url}/exports", headers=headers, trust_env=False)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert answer.json()["detail"] == "This key or token is not valid."


def test_the_openapi_document_requires_a_key_and_names_no_report(guarded_url: str) -> None:
    document = httpx.get(f"{guarded_url}/openapi.json", trust_env=False).json()
    assert document["security"] == [{"bearer": []}]
    assert not [name for name in document["components"]["schemas"] if "Orders" in name]


def test_health_needs_no_key(guarded_url: str) -> None:
    assert httpx.get(f"{guarded_url}/healthz", trust_env=False).status_code == 200
