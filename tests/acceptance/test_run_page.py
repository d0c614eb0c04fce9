"""Test the names, tasks and artifacts that the Prefect UI shows for export runs."""

import time
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.export_client import Session
from tests.support.prefect_tables import prefects_tables
from tests.support.running_stack import Stack

PAGE_SECONDS = 10.0
EVENTS_SECONDS = 15.0
TASKS = {"fetch", "transform_to_csv", "upload", "presign"}
# Each flow run event names seven resources: the run, its flow, deployment, work queue and work pool, and two
# tags. Task run events are not counted, because slow tasks on a busy machine cause more of them.
RESOURCES = {
    "prefect.flow-run.Scheduled": 7,
    "prefect.flow-run.Pending": 7,
    "prefect.flow-run.Running": 7,
    "prefect.flow-run.Completed": 7,
}
MAX_LOG_LINES = 7  # one line each for the claim, the start, four finished tasks and the end
RESOURCES_OF_EVENTS = """
    SELECT event, sum(1 + jsonb_array_length(related))
    FROM events
    WHERE resource_id = 'prefect.flow-run.' || %(run)s
        OR related_resource_ids @> jsonb_build_array('prefect.flow-run.' || %(run)s)
    GROUP BY event
"""


@pytest.fixture(scope="module")
def artifacts(prefect: httpx.Client, article: Session) -> list[dict[str, Any]]:
    return artifacts_of(prefect, article.id)


def artifacts_of(prefect: httpx.Client, run_id: str) -> list[dict[str, Any]]:
    """Wait for the page, which is written last, and return all artifacts of the run."""
    query = {"artifacts": {"flow_run_id": {"any_": [run_id]}}}
    deadline = time.monotonic() + PAGE_SECONDS
    while True:
        artifacts = list(prefect.post("/artifacts/filter", json=query).raise_for_status().json())
        if pages(artifacts) or time.monotonic() > deadline:
            return artifacts
        time.sleep(0.1)


def pages(artifacts: list[dict[str, Any]]) -> list[str]:
    return [str(artifact["data"]) for artifact in artifacts if artifact["type"] == "markdown"]


def test_the_run_is_completed_with_its_result_as_message(prefect: httpx.Client, article: Session) -> None:
    run = prefect.get(f"/flow_runs/{article.id}").raise_for_status().json()
    assert run["state"]["type"] == "COMPLETED"
    assert run["state"]["message"].startswith("222 rows, ")
    assert {"owner:local", "report:survey-responses"} <= set(run["tags"])


def test_the_search_for_an_id_finds_its_run(prefect: httpx.Client, article: Session) -> None:
    query = {"flow_runs": {"name": {"like_": article.id}}}
    (run,) = prefect.post("/flow_runs/filter", json=query).raise_for_status().json()
    assert (run["id"], run["name"]) == (article.id, f"survey-responses-{article.id}")


def test_the_prefect_ui_shows_the_progress_and_the_page(
    prefect: httpx.Client, article: Session, artifacts: list[dict[str, Any]]
) -> None:
    """The third artifact refers to the stored file. The query is that of the Prefect UI."""
    query = {"artifacts": {"flow_run_id": {"any_": [article.id]}, "type": {"not_any_": ["result"]}}}
    listed_artifacts = prefect.post("/artifacts/filter", json=query).raise_for_status().json()
    assert {artifact["type"] for artifact in listed_artifacts} == {"progress", "markdown"}
    assert len(listed_artifacts) == len(artifacts) - 1


def test_each_step_is_a_task_run(prefect: httpx.Client, article: Session) -> None:
    query = {"flow_runs": {"id": {"any_": [article.id]}}}
    runs = prefect.post("/task_runs/filter", json=query).raise_for_status().json()
    assert {run["task_key"].partition("-")[0] for run in runs} == TASKS
    assert {run["state"]["type"] for run in runs} == {"COMPLETED"}


def test_an_export_causes_few_rows_in_prefect(stack: Stack, article: Session) -> None:
    deadline = time.monotonic() + EVENTS_SECONDS
    with prefects_tables(stack) as database:
        while True:  # the server writes events every few seconds
            resources = dict(database.execute(RESOURCES_OF_EVENTS, {"run": article.id}).fetchall())
            if resources.keys() >= RESOURCES.keys() or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        lines = database.execute("SELECT message FROM log WHERE flow_run_id = %s", [article.id]).fetchall()
    assert {event: resources[event] for event in RESOURCES} == RESOURCES
    assert not [event for event in resources if "artifact" in event]
    assert len(lines) <= MAX_LOG_LINES, lines


def test_one_progress_artifact_ends_at_100(artifacts: list[dict[str, Any]]) -> None:
    progress = [artifact for artifact in artifacts if artifact["type"] == "progress"]
    assert [(artifact["data"], artifact["description"]) for artifact in progress] == [
        (100, "222 of 222 rows")
    ]


def test_the_page_links_to_the_download_route_without_a_signature(
    api: httpx.Client, artifacts: list[dict[str, Any]], article: Session
) -> None:
    (page,) = pages(artifacts)
    name = "survey-responses_668b6fa3b8d693cd865b44bb_2024-07-19_2024-07-26.csv"
    address = str(api.base_url.join(f"/exports/{article.id}/download"))
    assert f"[{name}]({address})" in page
    for title, path in [
        ("Export", f"/?report=survey-responses&export={article.id}"),
        ("Receipt", f"/exports/{article.id}/manifest"),
    ]:
        assert f"[{title}]({api.base_url.join(path)})" in page
    assert "Signature" not in str(artifacts)


def test_the_page_shows_receipt_request_and_first_rows(
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
    assert '\n {"key": "respondentEmail", "label": "E-mail", "type": "string"},\n' in page


def test_the_page_shows_no_personal_data(
    database: psycopg.Connection, artifacts: list[dict[str, Any]]
) -> None:
    (page,) = pages(artifacts)
    query = "SELECT respondent_name, respondent_email FROM survey_responses WHERE respondent_name IS NOT NULL"
    assert "@example.org" not in page
    for person in database.execute(query).fetchall():
        assert not any(value and value in page for value in person)
    assert page.count("| ••• | ••• |") == 5


def test_an_export_without_rows_has_a_page(prefect: httpx.Client, sessions: dict[str, Session]) -> None:
    (page,) = pages(artifacts_of(prefect, sessions["no rows"].id))
    assert "| Rows | 0 |" in page
