"""With API keys each caller sees their own, and nothing else exists for them."""

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from api.access.api_keys import KeyFile
from tests.support.export_client import EMPTY_SURVEY, Session, follow
from tests.support.extra_processes import extra_processes
from tests.support.running_stack import Stack

REQUEST = {"surveyId": EMPTY_SURVEY, "from": "2025-1-1", "to": "2025-1-2"}
ORDERS = {"report": "orders", "from": "2024-03-01", "to": "2024-03-02"}
OF_ONE = [
    ("GET", ""),
    ("GET", "/download"),
    ("GET", "/manifest"),
    ("POST", "/cancel"),
    ("POST", "/retry"),
    ("DELETE", ""),
]
ALL = [
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


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def guarded_url(stack: Stack, keys: Path) -> Iterator[str]:
    with extra_processes(stack) as others:
        yield others.start_api(REPORTS_KEYS_FILE=str(keys))


def client_of(
    url: str, keys: Path, caller: str, reports: list[str] | None = None, pii: bool = True
) -> httpx.Client:
    token = KeyFile(keys).create(caller, reports, datetime.now(UTC), pii)
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)


@pytest.fixture(scope="module")
def ada(guarded_url: str, keys: Path) -> Iterator[httpx.Client]:
    with client_of(guarded_url, keys, "ada") as client:
        yield client


@pytest.fixture(scope="module")
def bob(guarded_url: str, keys: Path) -> Iterator[httpx.Client]:
    with client_of(guarded_url, keys, "bob", ["survey-responses"]) as client:
        yield client


@pytest.fixture(scope="module")
def hers(ada: httpx.Client) -> str:
    job_id = str(ada.post("/exports", json=REQUEST).raise_for_status().json()["id"])
    follow(ada, Session(job_id))
    return job_id


@pytest.mark.parametrize(("method", "path"), ALL)
def test_nothing_is_answered_without_a_key(guarded_url: str, method: str, path: str) -> None:
    answer = httpx.request(method, guarded_url + path, trust_env=False)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["data"] is None


@pytest.mark.parametrize(("method", "path"), OF_ONE)
def test_anothers_export_is_unknown(bob: httpx.Client, hers: str, method: str, path: str) -> None:
    anothers = bob.request(method, f"/exports/{hers}{path}")
    unknown = bob.request(method, f"/exports/00000000-0000-4000-8000-000000000000{path}")
    assert (anothers.status_code, anothers.json()) == (404, unknown.json())


def test_anothers_job_is_unknown_on_the_frozen_route(bob: httpx.Client, hers: str) -> None:
    assert bob.get("/reports/csv", params={"jobId": hers}).status_code == 404


def test_a_list_holds_ones_own_alone(ada: httpx.Client, bob: httpx.Client, hers: str) -> None:
    his = bob.post("/exports", json=REQUEST).raise_for_status().json()["id"]
    assert [each["id"] for each in bob.get("/exports").json()["items"]] == [his]
    assert his not in [each["id"] for each in ada.get("/exports").json()["items"]]


def test_the_same_request_of_two_callers_is_two_jobs(ada: httpx.Client, bob: httpx.Client) -> None:
    headers = {"Idempotency-Key": "the-same"}
    started = [each.post("/exports", json=REQUEST, headers=headers).json()["id"] for each in (ada, bob)]
    assert started[0] != started[1]


def test_each_caller_has_a_webhook_secret_of_their_own(ada: httpx.Client, bob: httpx.Client) -> None:
    hers, his = (each.get("/webhook-secret").raise_for_status().json()["secret"] for each in (ada, bob))
    assert hers != his


def test_a_report_that_a_key_does_not_cover_does_not_exist_for_it(
    bob: httpx.Client, guarded_url: str, keys: Path
) -> None:
    assert [each["name"] for each in bob.get("/report-types").json()["items"]] == ["survey-responses"]
    assert bob.get("/report-types/orders").status_code == 404
    with client_of(guarded_url, keys, "clerk", ["orders"]) as clerk:
        assert clerk.get("/report-types/survey-responses/choices/surveyId").status_code == 404
    assert bob.get("/report-types/survey-responses/choices/surveyId").status_code == 200
    assert bob.post("/exports", json=ORDERS).json()["errors"][0]["pointer"] == "/report"
    assert bob.get("/reports", params=ORDERS).json()["errors"][0]["pointer"] == "/report"
    assert bob.get("/exports", params={"report": "orders"}).status_code == 422


def test_a_revoked_key_ends_at_once(guarded_url: str, keys: Path) -> None:
    with client_of(guarded_url, keys, "eve") as eve:
        assert eve.get("/exports").status_code == 200
        key_id = next(key.id for key in KeyFile(keys).keys().values() if key.caller == "eve")
        KeyFile(keys).revoke(key_id)
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
        b"Bearer " + b"x" * 100_000,
    ],
    ids=["empty", "scheme", "word", "basic", "not ASCII", "alg none", "9 kB", "100 kB"],
)
def test_what_is_no_key_is_refused_and_told_nothing(guarded_url: str, authorization: bytes) -> None:
    headers = {b"authorization": authorization}
    answer = httpx.get(f"{guarded_url}/exports", headers=headers, trust_env=False)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert answer.json()["detail"] == "This key or token is not valid."


def test_the_document_asks_for_a_key_and_names_no_report(guarded_url: str) -> None:
    described = httpx.get(f"{guarded_url}/openapi.json", trust_env=False).json()
    assert described["security"] == [{"bearer": []}]
    assert not [name for name in described["components"]["schemas"] if "Orders" in name]


def test_health_needs_no_key(guarded_url: str) -> None:
    assert httpx.get(f"{guarded_url}/healthz", trust_env=False).status_code == 200
