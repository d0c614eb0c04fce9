"""Test that repeated requests for an unfinished export return the same job."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support.export_client import EMPTY_SURVEY, Session, follow, start
from tests.support.guarantee_table import GuaranteeTable

CLICKS = 50


def fresh_request() -> dict[str, Any]:
    """Return a small export request that no other test uses."""
    return {"surveyId": EMPTY_SURVEY, "from": "2025-1-1", "to": "2025-1-2", "name": secrets.token_hex(8)}


def runs_named(prefect: httpx.Client, name: str) -> int:
    """Count the flow runs whose request has this name."""
    newest = {"sort": "EXPECTED_START_TIME_DESC", "limit": 200}
    runs = prefect.post("/flow_runs/filter", json=newest).raise_for_status().json()
    return sum(run["parameters"].get("request", {}).get("name") == name for run in runs)


@pytest.fixture
def unneeded(prefect: httpx.Client) -> Iterator[list[Session]]:
    """Yield a list. After the test, cancel all jobs that the test has added to it."""
    sessions: list[Session] = []
    yield sessions
    for session in sessions:
        cancelled = {"state": {"type": "CANCELLED"}, "force": True}
        prefect.post(f"/flow_runs/{session.id}/set_state", json=cancelled).raise_for_status()


@pytest.fixture(scope="module")
def clicks(api: httpx.Client) -> tuple[dict[str, Any], list[httpx.Response]]:
    request = fresh_request()

    def click(_: int) -> httpx.Response:
        return api.post("/reports/csv", json=request)

    with ThreadPoolExecutor(CLICKS) as pool:
        return request, list(pool.map(click, range(CLICKS)))


def test_concurrent_clicks_start_one_run(
    api: httpx.Client,
    prefect: httpx.Client,
    unneeded: list[Session],
    clicks: tuple[dict[str, Any], list[httpx.Response]],
    guarantees: GuaranteeTable,
) -> None:
    request, answers = clicks
    runs = runs_named(prefect, request["name"])
    twice = fresh_request()
    unneeded += [start(api, twice, **{"Idempotency-Key": secrets.token_hex(8)}) for _ in range(2)]
    guarantees.add(
        "G9: one click starts one export",
        CLICKS,
        runs - 1,
        "identical requests at the same time",
        "two requests with different keys start two runs",
        runs_named(prefect, twice["name"]) == 2,
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["data"] for answer in answers}) == 1
    assert runs == 1


def test_all_clicks_but_one_are_marked_as_replayed(
    clicks: tuple[dict[str, Any], list[httpx.Response]],
) -> None:
    replayed = [answer.headers.get("idempotent-replayed") for answer in clicks[1]]
    assert replayed.count("true") >= CLICKS - 1


def test_another_spelling_of_a_request_is_the_same_request(
    api: httpx.Client, unneeded: list[Session]
) -> None:
    request = fresh_request()
    unneeded.append(start(api, request))
    repeated = start(api, {**request, "from": "2025-01-01", "sort": "submittedAt", "columns": None})
    assert repeated.id == unneeded[0].id


@pytest.mark.parametrize("change", [{"to": "2025-1-3"}, {"csv": {"header": "keys"}}, {"sort": "-id"}])
def test_a_different_request_is_a_different_job(
    api: httpx.Client, unneeded: list[Session], change: dict[str, Any]
) -> None:
    request = fresh_request()
    unneeded += [start(api, request), start(api, request | change)]
    assert unneeded[0].id != unneeded[1].id


def test_a_repeated_request_starts_a_new_job_once_the_first_is_done(
    api: httpx.Client, unneeded: list[Session], clicks: tuple[dict[str, Any], list[httpx.Response]]
) -> None:
    request, answers = clicks
    first = Session(answers[0].json()["data"])
    follow(api, first)
    second = start(api, request)
    unneeded.append(second)
    assert second.start_response is not None
    assert second.id != first.id
    assert "idempotent-replayed" not in second.start_response.headers


def test_the_same_key_and_body_return_the_same_job_even_when_done(
    api: httpx.Client,
) -> None:
    key, request = secrets.token_hex(16), fresh_request()
    first = start(api, request, **{"Idempotency-Key": key})
    follow(api, first)
    second = start(api, request, **{"Idempotency-Key": key})
    assert second.start_response is not None
    assert second.id == first.id
    assert second.start_response.headers["idempotent-replayed"] == "true"


def test_the_same_key_with_another_body_is_refused(
    api: httpx.Client, prefect: httpx.Client, unneeded: list[Session]
) -> None:
    key, request, other = secrets.token_hex(16), fresh_request(), fresh_request()
    unneeded.append(start(api, request, **{"Idempotency-Key": key}))
    answer = api.post("/reports/csv", json=other, headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/headers/Idempotency-Key"]
    assert runs_named(prefect, other["name"]) == 0
