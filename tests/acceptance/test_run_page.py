"""What an operator sees of an export in the Prefect UI."""

import time
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.export_client import Session

PAGE_SECONDS = 10.0
TASKS = {"fetch", "transform_to_csv", "upload", "presign"}


@pytest.fixture(scope="module")
def artifacts(prefect: httpx.Client, article: Session) -> list[dict[str, Any]]:
    return artifacts_of(prefect, article.id)


def artifacts_of(prefect: httpx.Client, run_id: str) -> list[dict[str, Any]]:
    """With the page, which comes a moment after the link."""
    wanted = {"artifacts": {"flow_run_id": {"any_": [run_id]}}}
    until = time.monotonic() + PAGE_SECONDS
    while True:
        found = list(prefect.post("/artifacts/filter", json=wanted).raise_for_status().json())
        if pages(found) or time.monotonic() > until:
            return found
        time.sleep(0.1)


def pages(artifacts: list[dict[str, Any]]) -> list[str]:
    return [str(each["data"]) for each in artifacts if each["type"] == "markdown"]


def test_the_run_is_completed_and_says_what_came_out(prefect: httpx.Client, article: Session) -> None:
    run = prefect.get(f"/flow_runs/{article.id}").raise_for_status().json()
    assert run["state"]["type"] == "COMPLETED"
    assert run["state"]["message"].startswith("222 rows, ")
    assert {"owner:local", "report:survey-responses"} <= set(run["tags"])


def test_each_step_is_a_task_run(prefect: httpx.Client, article: Session) -> None:
    wanted = {"flow_runs": {"id": {"any_": [article.id]}}}
    runs = prefect.post("/task_runs/filter", json=wanted).raise_for_status().json()
    assert {run["task_key"].partition("-")[0] for run in runs} == TASKS
    assert {run["state"]["type"] for run in runs} == {"COMPLETED"}


def test_one_progress_artifact_ends_at_100(artifacts: list[dict[str, Any]]) -> None:
    found = [each for each in artifacts if each["type"] == "progress"]
    assert [(each["data"], each["description"]) for each in found] == [(100, "222 of 222 rows")]


def test_a_link_leads_to_the_download_route_and_holds_no_signature(
    api: httpx.Client, artifacts: list[dict[str, Any]], article: Session
) -> None:
    (page,) = pages(artifacts)
    name = "survey-responses_668b6fa3b8d693cd865b44bb_2024-07-19_2024-07-26.csv"
    address = str(api.base_url.join(f"/exports/{article.id}/download"))
    assert f"[{name}]({address})" in page
    assert "Signature" not in str(artifacts)


def test_a_page_shows_the_receipt_the_request_and_the_first_rows(
    api: httpx.Client, artifacts: list[dict[str, Any]], article: Session
) -> None:
    (page,) = pages(artifacts)
    file = api.get(f"/exports/{article.id}").json()["file"]
    assert "| Rows | 222 |" in page
    assert f"| Bytes | {file['bytes']:,} |" in page
    assert f"| SHA-256 | {file['sha256']} |" in page
    assert '"surveyId": "668b6fa3b8d693cd865b44bb"' in page
    assert "| Response | Submitted at | Attended |" in page
    assert page.count("| true | wa |") == 5


def test_the_page_shows_nothing_about_persons(
    database: psycopg.Connection, artifacts: list[dict[str, Any]]
) -> None:
    (page,) = pages(artifacts)
    asked = "SELECT respondent_name, respondent_email FROM survey_responses WHERE respondent_name IS NOT NULL"
    assert "@example.org" not in page
    for person in database.execute(asked).fetchall():
        assert not any(about and about in page for about in person)
    assert page.count("| ••• | ••• |") == 5


def test_a_file_without_rows_has_a_page_too(prefect: httpx.Client, sessions: dict[str, Session]) -> None:
    (page,) = pages(artifacts_of(prefect, sessions["no rows"].id))
    assert "| Rows | 0 |" in page
