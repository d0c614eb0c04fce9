"""Test the `/exports` routes."""

import csv
import io
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support.export_client import ARTICLES_REQUEST, EMPTY_SURVEY, SURVEY, Session, follow
from tests.support.running_stack import Stack

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def start_small(api: httpx.Client, **extra: Any) -> dict[str, Any]:
    """Start a small export that no other test uses."""
    request = {"surveyId": EMPTY_SURVEY, "from": "2025-1-1", "to": "2025-1-2", "name": secrets.token_hex(8)}
    return dict(api.post("/exports", json=request | extra).raise_for_status().json())


def finish(api: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    follow(api, Session(job["id"]))
    return dict(api.get(f"/exports/{job['id']}").raise_for_status().json())


def ids(answer: httpx.Response) -> list[str]:
    return [job["id"] for job in answer.raise_for_status().json()["items"]]


@pytest.fixture(scope="module")
def done(api: httpx.Client) -> dict[str, Any]:
    return finish(api, start_small(api))


def test_a_start_is_accepted_and_locates_the_job(api: httpx.Client) -> None:
    request = {"surveyId": EMPTY_SURVEY, "from": "2025-1-1", "to": "2025-1-2", "name": secrets.token_hex(8)}
    first = api.post("/exports", json=request, headers={"Idempotency-Key": request["name"]})
    again = api.post("/exports", json=request, headers={"Idempotency-Key": request["name"]})
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.headers["idempotent-replayed"] == "true"
    job = first.json()
    assert first.headers["location"] == f"/exports/{job['id']}"
    assert again.json()["id"] == job["id"]
    assert job["status"] == "queued"
    assert job["phase"] == "waiting"
    assert job["queue"]["position"] >= 0
    assert job["links"]["cancel"].endswith(f"/exports/{job['id']}/cancel")


def test_a_replayed_start_of_a_finished_job_returns_its_file(api: httpx.Client) -> None:
    request = {"surveyId": EMPTY_SURVEY, "from": "2025-1-1", "to": "2025-1-2", "name": secrets.token_hex(8)}
    headers = {"Idempotency-Key": request["name"]}
    job = finish(api, api.post("/exports", json=request, headers=headers).json())
    again = api.post("/exports", json=request, headers=headers)
    assert (again.status_code, again.json()["status"], again.json()["file"]) == (200, "done", job["file"])


def test_a_dry_run_returns_count_size_and_sample_and_starts_nothing(
    api: httpx.Client, article: Session, prefect: httpx.Client
) -> None:
    def runs() -> int:
        return int(prefect.post("/flow_runs/count", json={}).raise_for_status().json())

    before = runs()
    answer = api.post("/exports", params={"dryRun": "true"}, json=ARTICLES_REQUEST)
    assert answer.status_code == 200
    dry_run, file = answer.json(), article.file()
    rows = list(csv.reader(io.StringIO(file.decode(), newline="")))
    assert runs() == before
    assert dry_run["rows"] == len(rows) - 1
    assert [column["label"] for column in dry_run["columns"]] == rows[0]
    assert [str(row["id"]) for row in dry_run["sample"]] == [row[0] for row in rows[1:21]]
    assert 0.7 < dry_run["estimatedBytes"] / len(file) < 1.3


def test_the_list_is_newest_first_across_pages(api: httpx.Client) -> None:
    started = [start_small(api)["id"] for _ in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while len(seen) < 5:
        answer = api.get("/exports", params={"limit": 2, **cursor})
        seen += ids(answer)
        cursor = {"cursor": answer.json()["nextCursor"]}
    assert seen[:5] == started[::-1]


def test_all_pages_of_the_list_contain_each_job_once(api: httpx.Client, done: dict[str, Any]) -> None:
    seen: list[str] = []
    cursor: str | None = None
    while True:
        answer = api.get("/exports", params={"limit": 100} | ({"cursor": cursor} if cursor else {}))
        seen += ids(answer)
        cursor = answer.json()["nextCursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    assert done["id"] in seen


def test_the_list_can_be_filtered_by_status_and_report(
    api: httpx.Client, sessions: dict[str, Session]
) -> None:
    orders = sessions["orders"].id
    assert orders in ids(api.get("/exports", params={"report": "orders", "status": "done", "limit": 100}))
    assert orders not in ids(api.get("/exports", params={"report": "orders", "status": "error"}))
    others = api.get("/exports", params={"report": "survey-responses", "limit": 100})
    assert orders not in ids(others)


def test_an_unchanged_state_is_304(api: httpx.Client, done: dict[str, Any]) -> None:
    first = api.get(f"/exports/{done['id']}")
    again = api.get(f"/exports/{done['id']}", headers={"If-None-Match": first.headers["etag"]})
    changed = api.get(f"/exports/{done['id']}", headers={"If-None-Match": '"something else"'})
    assert (again.status_code, again.content) == (304, b"")
    assert (changed.status_code, changed.headers["etag"]) == (200, first.headers["etag"])


def test_a_done_job_says_when_its_file_expires(done: dict[str, Any]) -> None:
    assert done["file"]["expiresAt"] > done["file"]["urlExpiresAt"] > done["finishedAt"]


def test_the_manifest_describes_the_file(api: httpx.Client, article: Session) -> None:
    answer = api.get(f"/exports/{article.id}/manifest")
    manifest = answer.json()
    file = api.get(f"/exports/{article.id}").json()["file"]
    header = next(csv.reader(io.StringIO(article.file().decode(), newline="")))
    assert [column["label"] for column in manifest["columns"]] == header
    assert {name: manifest[name] for name in ("rows", "bytes", "sha256")} == {
        name: file[name] for name in ("rows", "bytes", "sha256")
    }
    assert manifest["request"] == ARTICLES_REQUEST
    assert answer.headers["content-disposition"].endswith('.csv.manifest.json"')


def test_a_retry_is_a_new_job_with_the_same_request(api: httpx.Client, done: dict[str, Any]) -> None:
    answer = api.post(f"/exports/{done['id']}/retry")
    job = answer.json()
    assert answer.status_code == 202
    assert job["id"] != done["id"]
    assert (job["retryOf"], job["request"]) == (done["id"], done["request"])
    assert finish(api, job)["status"] == "done"


def test_a_finished_export_cannot_be_cancelled(api: httpx.Client, done: dict[str, Any]) -> None:
    answer = api.post(f"/exports/{done['id']}/cancel")
    assert (answer.status_code, answer.json()["detail"]) == (409, "The export has already ended.")


def test_a_deleted_export_is_unknown_and_its_file_is_gone(api: httpx.Client) -> None:
    job = finish(api, start_small(api))
    url = job["file"]["url"]
    assert api.delete(f"/exports/{job['id']}").status_code == 204
    assert httpx.get(url, trust_env=False).status_code == 404
    assert api.get(f"/exports/{job['id']}").status_code == 404
    assert api.get("/reports/csv", params={"jobId": job["id"]}).status_code == 404
    assert api.delete(f"/exports/{job['id']}").status_code == 404


def read_by_run(prefect: httpx.Client, kind: str, run_id: str) -> list[dict[str, Any]]:
    runs = {"flow_run_id": {"any_": [run_id]}}
    return list(prefect.post(f"/{kind}/filter", json={kind: runs}).raise_for_status().json())


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_deleted_export_leaves_neither_rows_nor_request_in_prefect(
    api: httpx.Client, prefect: httpx.Client
) -> None:
    name = secrets.token_hex(8)
    job = finish(api, start_small(api, name=name))
    # The progress, the page and the reference to the stored file.
    wait_until(lambda: len(read_by_run(prefect, "artifacts", job["id"])) == 3)
    with ThreadPoolExecutor(4) as pool:
        statuses = set(pool.map(lambda _: api.delete(f"/exports/{job['id']}").status_code, range(4)))
    assert {204} <= statuses <= {204, 404}
    assert read_by_run(prefect, "artifacts", job["id"]) == []
    run = prefect.get(f"/flow_runs/{job['id']}").raise_for_status()  # the run stays until the next sweep
    assert run.json()["parameters"] == {"request": {}}
    assert name not in run.text + str(read_by_run(prefect, "logs", job["id"]))


def test_an_export_deleted_while_it_waits_leaves_no_request_in_prefect(
    api: httpx.Client, prefect: httpx.Client
) -> None:
    name = secrets.token_hex(8)
    job = start_small(api, name=name)
    assert api.delete(f"/exports/{job['id']}").status_code == 204
    run = prefect.get(f"/flow_runs/{job['id']}")
    assert run.status_code in (200, 404)
    assert name not in run.text


def test_the_request_of_a_deleted_export_can_be_started_again(api: httpx.Client) -> None:
    name = secrets.token_hex(8)
    first = start_small(api, name=name)
    assert api.delete(f"/exports/{first['id']}").status_code == 204
    second = start_small(api, name=name)
    assert second["id"] != first["id"]
    assert finish(api, second)["status"] == "done"
    assert first["id"] not in ids(api.get("/exports", params={"limit": 100}))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("DELETE", ""),
        ("GET", "/download"),
        ("GET", "/manifest"),
    ],
)
@pytest.mark.parametrize("job_id", [UNKNOWN, "7", "..%2f..", "x" * 5000])
def test_an_unknown_id_is_404_everywhere(api: httpx.Client, method: str, path: str, job_id: str) -> None:
    answer = api.request(method, f"/exports/{job_id}{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("status=in-progress", "/status"),
        ("report=nothing", "/report"),
        ("limit=0", "/limit"),
        ("cursor=%00", "/cursor"),
        ("colour=red", "/colour"),
        ("scheduleId=1", "/scheduleId"),
    ],
)
def test_an_invalid_query_of_the_list_is_refused(api: httpx.Client, query: str, pointer: str) -> None:
    answer = api.get(f"/exports?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("query", ["dryRun=yes", "dryRun=true&dryRun=false", "dry=true"])
def test_an_invalid_query_of_a_start_is_refused(api: httpx.Client, query: str) -> None:
    request = {"surveyId": SURVEY, "from": "2025-1-1", "to": "2025-1-2"}
    assert api.post(f"/exports?{query}", json=request).status_code in (400, 422)


def test_an_export_whose_file_disappeared_from_the_storage_is_an_error(
    api: httpx.Client, stack: Stack, s3: Any
) -> None:
    job = finish(api, start_small(api))
    s3.delete_object(Bucket=stack.bucket, Key=f"{job['id']}/{job['attempt']}.csv")
    wait_until(lambda: api.get(f"/exports/{job['id']}").json()["status"] == "error")
    assert api.get(f"/exports/{job['id']}").json()["error"]["code"] == "storage.lost"
    assert api.get("/reports/csv", params={"jobId": job["id"]}).json()["data"]["status"] == "error"
    assert api.get(f"/exports/{job['id']}/download", follow_redirects=False).status_code == 410
    wait_until(lambda: api.get("/readyz").json()["checks"]["files"] == "missing")
    assert api.get("/readyz").status_code == 200
    assert finish(api, api.post(f"/exports/{job['id']}/retry").json())["status"] == "done"
