"""Test that a failed export reports only a stable code and a plain message."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest

from tests.acceptance.test_run_page import artifacts_of, pages
from tests.support.export_client import ARTICLES_REQUEST, SURVEY, Session, follow, start
from tests.support.extra_processes import create_pool, deploy_export, extra_processes
from tests.support.running_stack import Stack

CLOSED_PORT = "http://127.0.0.1:9"
CANARY = "canary-5f0c"
CANARY_DATABASE = f"postgresql://reader:{CANARY}@127.0.0.1:9/{CANARY}"
POOL = "failures"
TERMINATE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s
"""
RUN_TIMEOUT_SECONDS = 90
CATALOG = "flows.samples,tests.acceptance.custom_reports"
ONE_ATTEMPT = {"REPORTS_ATTEMPTS": "1", "REPORTS_CATALOG": CATALOG}


@dataclass(frozen=True)
class Failure:
    request: dict[str, Any]
    settings: dict[str, str]
    code: str
    retryable: bool
    message: str


FAILURES = {
    "the database is unreachable": Failure(
        ARTICLES_REQUEST,
        {"REPORTS_DATABASE_URL": CANARY_DATABASE},
        "source.unavailable",
        True,
        "The database that holds the report could not be reached.",
    ),
    "the database is too slow": Failure(
        {"report": "slow-orders"},
        {"REPORTS_STATEMENT_SECONDS": "1"},
        "source.timeout",
        False,
        "The query took longer than the time limit. Narrow the filters or dates.",
    ),
    "the storage is unreachable": Failure(
        ARTICLES_REQUEST,
        {"AWS_ENDPOINT_URL": CLOSED_PORT},
        "storage.unavailable",
        True,
        "The file storage could not be reached.",
    ),
    "the storage refuses": Failure(
        ARTICLES_REQUEST,
        {"AWS_SECRET_ACCESS_KEY": CANARY},
        "storage.denied",
        False,
        "The file storage denied access.",
    ),
    "there are too many rows": Failure(
        ARTICLES_REQUEST,
        {"REPORTS_ROWS_PER_EXPORT": "100"},
        "rows.limit",
        False,
        "The export would contain 222 rows; the limit is 100. Narrow the filters or dates.",
    ),
    "the transform raises": Failure(
        {"report": "broken-orders"},
        {},
        "transform.failed",
        False,
        "The report's transform (broken_orders.py) raised ValueError.",
    ),
    "the key repeats": Failure(
        {"report": "order-countries"},
        {},
        "report.key",
        False,
        "The report's key customers.id is not unique: several rows have the value 1. Declare a key that is"
        " different in every row.",
    ),
    "a row cannot be written": Failure(
        {"report": "unreadable-orders"},
        {},
        "source.unreadable",
        False,
        "Column status of the row with key SO-2023-000007 contains a value"
        " that cannot be written to the file.",
    ),
    "a row cannot be computed": Failure(
        {"report": "uncountable-orders"},
        {},
        "source.unreadable",
        False,
        "Column status of the row with key 00109e46-2acd-4129-daae-5b5738b043a1"
        " contains a value that cannot be written to the file.",
    ),
}


@pytest.fixture(scope="module")
def failed(api: httpx.Client, stack: Stack, prefect: httpx.Client) -> dict[str, Session]:
    """Run each export in a separate process with its own settings, and return the finished exports."""
    create_pool(prefect, POOL, "process")
    create = f"/deployments/{deploy_export(prefect, POOL, POOL)}/create_flow_run"
    sessions: dict[str, Session] = {}
    for name, failure in FAILURES.items():
        run = prefect.post(create, json={"parameters": {"request": failure.request}}).raise_for_status()
        sessions[name] = Session(run.json()["id"])
    runs = {sessions[name].id: failure.settings for name, failure in FAILURES.items()}
    with extra_processes(stack) as processes:
        processes.start_runs(runs, **ONE_ATTEMPT).wait(RUN_TIMEOUT_SECONDS)
    follow(api, *sessions.values())
    return sessions


def test_a_database_administrator_sees_job_report_and_caller_of_a_query(
    s3: Any, stack: Stack, prefect: httpx.Client, failed: dict[str, Session]
) -> None:
    deployment = prefect.get(f"/deployments/name/export-report/{POOL}").raise_for_status().json()["id"]
    body = {"parameters": {"request": {"report": "current-query"}}, "tags": ["owner:ada"]}
    run = prefect.post(f"/deployments/{deployment}/create_flow_run", json=body).raise_for_status().json()
    with extra_processes(stack) as processes:
        processes.start("-m", "prefect.engine", run["id"], **ONE_ATTEMPT).wait(RUN_TIMEOUT_SECONDS)
    text = stored_text(s3, stack, run["id"])
    assert f"/* report-exports job={run['id']} report=current-query caller=ada */ " in text
    assert f"\nreport-exports {run['id']} current-que," in text


@pytest.mark.parametrize("name", FAILURES)
def test_the_poll_has_the_articles_error_body(failed: dict[str, Session], name: str) -> None:
    last = failed[name].polls[-1]
    expected = {
        "status": "error",
        "progress": last.json()["data"]["progress"],
        "error": FAILURES[name].message,
    }
    assert last.status_code == 200
    assert last.json() == {"data": expected, "status": 200}
    assert expected["progress"] <= 99
    assert last.headers["x-export-status"] == "500"


def test_prefects_filter_for_failed_runs_finds_every_failure(
    prefect: httpx.Client, failed: dict[str, Session]
) -> None:
    ids = [session.id for session in failed.values()]
    runs = prefect.post(
        "/flow_runs/filter",
        json={"flow_runs": {"id": {"any_": ids}, "state": {"name": {"any_": ["Failed"]}}}},
    ).json()
    messages = {run["id"]: run["state"]["message"] for run in runs}
    assert {name: messages[session.id] for name, session in failed.items()} == {
        name: f"{failure.code}: {failure.message}" for name, failure in FAILURES.items()
    }
    tags = {run["id"]: [tag for tag in run["tags"] if tag.startswith("code:")] for run in runs}
    assert {name: tags[session.id] for name, session in failed.items()} == {
        name: [f"code:{failure.code}"] for name, failure in FAILURES.items()
    }


@pytest.mark.parametrize("name", FAILURES)
def test_the_page_of_the_run_names_the_section_of_its_code(
    prefect: httpx.Client, failed: dict[str, Session], name: str
) -> None:
    (page,) = pages(artifacts_of(prefect, failed[name].id))
    code = FAILURES[name].code
    assert f": {code}\n" in page
    assert f"`docs/operations.md#{code.replace('.', '')}`" in page
    assert f"export={failed[name].id})" in page


@pytest.mark.parametrize("name", FAILURES)
def test_the_state_contains_a_stable_code(api: httpx.Client, failed: dict[str, Session], name: str) -> None:
    state, failure = api.get(f"/exports/{failed[name].id}").json(), FAILURES[name]
    assert (state["status"], state["file"], state["links"]["download"]) == ("error", None, None)
    assert state["error"] == {
        "code": failure.code,
        "retryable": failure.retryable,
        "message": failure.message,
    }


@pytest.mark.parametrize("name", FAILURES)
def test_nothing_is_stored_and_the_download_is_409(
    api: httpx.Client, s3: Any, stack: Stack, failed: dict[str, Session], name: str
) -> None:
    answer = api.get(f"/exports/{failed[name].id}/download")
    assert answer.status_code == 409
    assert answer.json()["detail"] == FAILURES[name].message
    assert stored(s3, stack, failed[name].id) == []


@pytest.mark.parametrize("name", FAILURES)
def test_no_response_leaks_the_underlying_error(
    api: httpx.Client, failed: dict[str, Session], name: str
) -> None:
    id_ = failed[name].id
    answers = [*failed[name].polls, api.get(f"/exports/{id_}"), api.get(f"/exports/{id_}/download")]
    for answer in answers:
        text = f"{answer.headers} {answer.text.replace(str(api.base_url), '')}"
        for word in (CANARY, "127.0.0.1", "SELECT", "psycopg", "Traceback", "botocore", "Errno"):
            assert word not in text


def test_a_source_that_dies_once_is_read_again_from_the_beginning(
    api: httpx.Client, s3: Any, stack: Stack
) -> None:
    with one_backend_terminated(stack.libpq_url, "/*%COPY (SELECT%") as terminated:
        session = start(api, {"surveyId": SURVEY, "from": "2024-07-08", "to": "2025-07-07"})
        follow(api, session)
    state = api.get(f"/exports/{session.id}").json()
    assert terminated == [True]
    assert session.data["status"] == "done"
    assert state["attempt"] == 2
    assert state["file"]["rows"] == state["rows"]["expected"] == 44_999
    assert session.file().count(b"\n") >= 45_000
    assert stored(s3, stack, session.id) == [f"{session.id}/2.csv"]
    progress = [poll.json()["data"]["progress"] for poll in session.polls]
    assert progress == sorted(progress)


@contextmanager
def one_backend_terminated(libpq_url: str, query: str) -> Iterator[list[bool]]:
    """Terminate the first backend that runs a matching query.

    A background thread looks for the backend. The yielded list stays empty until the backend is terminated.
    """
    terminated: list[bool] = []
    stop = threading.Event()

    def watch() -> None:
        with psycopg.connect(libpq_url, autocommit=True) as connection:
            while not (stop.is_set() or terminated):
                terminated.extend(row[0] for row in connection.execute(TERMINATE, [query]))
                time.sleep(0.002)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield terminated
    finally:
        stop.set()
        thread.join()


def stored_text(s3: Any, stack: Stack, job_id: str) -> str:
    (key,) = stored(s3, stack, job_id)
    return str(s3.get_object(Bucket=stack.bucket, Key=key)["Body"].read().decode())


def stored(s3: Any, stack: Stack, job_id: str) -> list[str]:
    prefix = {"Bucket": stack.bucket, "Prefix": job_id}
    objects = [item["Key"] for item in s3.list_objects_v2(**prefix).get("Contents", [])]
    return objects + [item["Key"] for item in s3.list_multipart_uploads(**prefix).get("Uploads", [])]
