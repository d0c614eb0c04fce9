"""Test that a sweep deletes all stored files that do not belong to an export."""

import secrets
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import botocore.session
import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun, State
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect.states import Scheduled

from flows.runs import history
from flows.runs.artifacts import all_filter
from flows.runs.deliveries import DELIVERIES, deliveries_of
from flows.storage.s3 import S3Storage
from flows.sweep import LastSweep, SweepCounts, read_last_sweep, sweep
from tests.support.export_client import ARTICLES_REQUEST, EMPTY_SURVEY, Session, follow, start
from tests.support.prefect_tables import prefects_tables, tables_with
from tests.support.running_stack import Stack, running_stack
from tests.support.webhook_receiver import Receiver

UNKNOWN = "00000000-0000-4000-8000-000000000000"
YEARLY = {
    "name": "Yearly",
    "recurrence": {"cron": "0 0 29 2 *"},
    "range": {"kind": "absolute", "from": "2025-1-1", "to": "2025-1-2"},
}
LONG_AGO, SOON = timedelta(days=7), timedelta(minutes=1)
SWEEP_TIMEOUT_SECONDS = 60
LOG_SECONDS = 3  # a worker sends its logs every 2 s


class SweepStack:
    """A separate stack for these tests, because a sweep would also delete the files of other tests."""

    def __init__(self, stack: Stack, api: httpx.Client, client: SyncPrefectClient, s3: Any) -> None:
        self.stack, self.api, self.client, self.s3 = stack, api, client, s3
        self.storage = S3Storage(stack.bucket, "")

    def export(self, **request: Any) -> str:
        session = Session(start(self.api, ARTICLES_REQUEST | request).id)
        follow(self.api, session)
        return session.id

    def export_unseen(self) -> str:
        """Run an export without the API, because the API caches finished jobs for a minute."""
        deployment = self.client.read_deployment_by_name("export-report/export")
        run = self.client.create_flow_run_from_deployment(
            deployment.id, parameters={"request": ARTICLES_REQUEST | {"surveyId": EMPTY_SURVEY}}
        )
        self.wait_until_completed(run.id)
        return str(run.id)

    def wait_until_completed(self, run_id: UUID) -> str:
        """Wait until the run completes and return its state message."""
        deadline = time.monotonic() + SWEEP_TIMEOUT_SECONDS
        while (state := self.client.read_flow_run(run_id).state) is None or not state.is_final():
            assert time.monotonic() < deadline, state
            time.sleep(0.2)
        assert state.is_completed(), state
        return state.message or ""

    def put(self, key: str) -> None:
        self.s3.put_object(Bucket=self.stack.bucket, Key=key, Body=b"left behind")

    def begin_upload(self, key: str) -> None:
        self.s3.create_multipart_upload(Bucket=self.stack.bucket, Key=key)

    def objects(self) -> set[str]:
        return {item.key for item in self.storage.list_objects()}

    def uploads(self) -> set[str]:
        return {item.key for item in self.storage.list_unfinished()}

    def artifact_types(self, job_id: str) -> list[str | None]:
        selected = all_filter(UUID(job_id))
        return [artifact.type for artifact in self.client.read_artifacts(artifact_filter=selected)]

    def logs(self, job_id: str) -> int:
        run = LogFilterFlowRunId(any_=[UUID(job_id)])
        return len(self.client.read_logs(LogFilter(flow_run_id=run)))

    def deliveries(self, job_id: str) -> list[FlowRun]:
        return self.client.read_flow_runs(flow_filter=DELIVERIES, flow_run_filter=deliveries_of(UUID(job_id)))

    def delivery(self, name: str) -> None:
        """Create a delivery that waits for its next attempt."""
        deployment = self.client.read_deployment_by_name("deliver-webhook/webhook")
        state: State[Any] = Scheduled(scheduled_time=datetime.now(UTC) + timedelta(hours=1))
        parameters = {"message": {}, "address": {}, "caller": "local"}
        self.client.create_flow_run_from_deployment(
            deployment.id, name=name, state=state, parameters=parameters
        )

    def wait_for_page(self, job_id: str) -> None:
        self.wait_for(lambda: "markdown" in self.artifact_types(job_id))

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SWEEP_TIMEOUT_SECONDS
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def count_records(self, job_id: str) -> int:
        """Return the number of task runs, log lines and artifacts that Prefect stores for an export."""
        of_run = {"flow_run_id": {"any_": [job_id]}}
        bodies = {
            "/task_runs/filter": {"flow_runs": {"id": {"any_": [job_id]}}},
            "/logs/filter": {"logs": of_run},
            "/artifacts/filter": {"artifacts": of_run},
        }
        with self.stack.prefect_client() as prefect:
            return sum(len(prefect.post(path, json=body).json()) for path, body in bodies.items())

    def sweep(self, retention: timedelta = LONG_AGO) -> SweepCounts:
        return sweep(self.client, self.storage, datetime.now(UTC) - retention)


@pytest.fixture(scope="module")
def sweep_stack(receiver: Receiver) -> Iterator[SweepStack]:
    with (
        TemporaryDirectory(prefix="reports-", ignore_cleanup_errors=True) as folder,
        running_stack(Path(folder) / "data", receiver.settings) as stack,
        pytest.MonkeyPatch.context() as patch,
        temporary_settings(
            {
                PREFECT_API_URL: stack.prefect_api_url,
                PREFECT_API_AUTH_STRING: stack.prefect_api_auth_string,
            }
        ),
        httpx.Client(base_url=stack.api_url, timeout=30, trust_env=False) as api,
        get_client(sync_client=True) as client,
    ):
        for name, value in stack.aws.items():
            patch.setenv(name, value)
        s3 = botocore.session.Session().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=stack.s3_endpoint_url,
            aws_access_key_id=stack.aws_access_key_id,
            aws_secret_access_key=stack.aws_secret_access_key,
        )
        yield SweepStack(stack, api, client, s3)
        s3.close()


def test_files_without_a_receipt_are_deleted_and_all_others_are_kept(sweep_stack: SweepStack) -> None:
    done = sweep_stack.export()
    files = sweep_stack.objects()
    sweep_stack.put(f"{done}/2.csv")
    sweep_stack.begin_upload(f"{done}/3.csv")
    sweep_stack.put("read-me.txt")
    swept = sweep_stack.sweep()
    assert (swept.objects, swept.uploads, swept.expired) == (1, 1, 0)
    assert sweep_stack.objects() == files | {"read-me.txt"}
    assert sweep_stack.uploads() == set()
    assert sweep_stack.sweep() == SweepCounts()


def test_files_of_unknown_runs_are_kept_for_the_retention_period(sweep_stack: SweepStack) -> None:
    sweep_stack.put(f"{UNKNOWN}/1.csv")
    sweep_stack.sweep()
    assert f"{UNKNOWN}/1.csv" in sweep_stack.objects()
    sweep_stack.sweep(retention=-SOON)
    assert f"{UNKNOWN}/1.csv" not in sweep_stack.objects()


def test_an_expired_file_is_deleted_and_the_export_is_marked(sweep_stack: SweepStack) -> None:
    job_id = sweep_stack.export(surveyId=EMPTY_SURVEY)
    sweep_stack.wait_for_page(job_id)
    swept = sweep_stack.sweep(retention=-SOON)
    assert swept.expired >= 1
    assert not [key for key in sweep_stack.objects() if key.startswith(job_id)]
    job = sweep_stack.client.read_flow_run(UUID(job_id))
    assert "expired" in job.tags
    assert "markdown" not in sweep_stack.artifact_types(job_id)
    with httpx.Client(base_url=sweep_stack.stack.api_url, trust_env=False, timeout=30) as api:
        listed = api.get("/exports", params={"status": "expired"}).raise_for_status().json()["items"]
    assert job_id in [item["id"] for item in listed]


def test_an_export_deleted_while_running_leaves_no_record(sweep_stack: SweepStack) -> None:
    job_id = start(sweep_stack.api, ARTICLES_REQUEST | {"name": "soon deleted"}).id
    assert sweep_stack.api.delete(f"/exports/{job_id}").status_code == 204
    deadline = time.monotonic() + SWEEP_TIMEOUT_SECONDS
    while job_id in [str(run.id) for run in sweep_stack.client.read_flow_runs(limit=200)]:
        assert time.monotonic() < deadline
        sweep_stack.sweep()
        time.sleep(0.5)
    assert not [key for key in sweep_stack.objects() if key.startswith(job_id)]
    assert sweep_stack.artifact_types(job_id) == []


def test_a_deletion_that_prefect_interrupted_is_finished(sweep_stack: SweepStack) -> None:
    job_id = sweep_stack.export(name="half deleted")
    sweep_stack.wait_for_page(job_id)
    sweep_stack.wait_for(lambda: sweep_stack.logs(job_id) > 0)
    sweep_stack.client.update_flow_run(UUID(job_id), name=f"forgotten-{job_id}", tags=["forgotten"])
    time.sleep(LOG_SECONDS)
    assert sweep_stack.sweep().deleted == 1
    sweep_stack.wait_for(lambda: sweep_stack.logs(job_id) == 0)
    assert sweep_stack.artifact_types(job_id) == []
    assert job_id not in [str(run.id) for run in sweep_stack.client.read_flow_runs(limit=200)]


def test_a_deleted_export_leaves_neither_its_name_nor_webhooks(
    sweep_stack: SweepStack, receiver: Receiver
) -> None:
    name, path = secrets.token_hex(12), f"/{secrets.token_hex(8)}"
    body = YEARLY | {
        "export": {"surveyId": EMPTY_SURVEY, "name": name},
        "notify": [{"kind": "webhook", "url": receiver.url(path)}],
    }
    schedule = sweep_stack.api.post("/schedules", json=body).raise_for_status().headers["location"]
    job_id = sweep_stack.api.post(f"{schedule}/run").raise_for_status().json()["id"]
    receiver.wait_for(path, 1)
    sweep_stack.wait_for_page(job_id)
    sweep_stack.wait_for(lambda: [run.state_name for run in sweep_stack.deliveries(job_id)] == ["Completed"])
    with prefects_tables(sweep_stack.stack) as connection:
        assert {"flow_run", "artifact"} <= set(tables_with(connection, name))
        sweep_stack.api.delete(schedule).raise_for_status()
        sweep_stack.api.delete(f"/exports/{job_id}").raise_for_status()
        assert sweep_stack.deliveries(job_id) == []
        sweep_stack.delivery(f"export.done {job_id}")  # as if a follow-up had created it after the deletion
        time.sleep(LOG_SECONDS)
        sweep_stack.wait_for(lambda: sweep_stack.sweep().deleted >= 1)
        assert sweep_stack.deliveries(job_id) == []
        sweep_stack.wait_for(lambda: tables_with(connection, name) == [])


def test_the_sweep_is_a_scheduled_deployment(sweep_stack: SweepStack) -> None:
    deployment = sweep_stack.client.read_deployment_by_name("sweep-files/sweep")
    assert [schedule.active for schedule in deployment.schedules] == [True]
    run = sweep_stack.client.create_flow_run_from_deployment(deployment.id)
    assert sweep_stack.wait_until_completed(run.id).startswith("Removed ")
    last = read_last_sweep(sweep_stack.client, datetime.now(UTC))
    assert last is not None
    assert last.started_at - last.oldest == pytest.approx(LONG_AGO, abs=SOON)


def test_a_sweep_finds_files_that_expired_since_the_last_sweep(sweep_stack: SweepStack) -> None:
    job_id = sweep_stack.export(surveyId=EMPTY_SURVEY, name="expires soon")
    now = datetime.now(UTC)
    last = LastSweep(now, now - LONG_AGO)
    swept = sweep(sweep_stack.client, sweep_stack.storage, now + SOON, last)
    assert swept.expired >= 1
    assert not [key for key in sweep_stack.objects() if key.startswith(job_id)]


def test_old_records_are_deleted_with_their_logs_task_runs_and_artifacts(
    sweep_stack: SweepStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE_SIZE", 2)
    monkeypatch.setattr(history, "RUNS_PER_DELETION", 2)
    job_ids = [sweep_stack.export_unseen() for _ in range(3)]
    soon = datetime.now(UTC) + SOON
    ended = [str(run.id) for run in history.read_ended_runs(sweep_stack.client, "export-report", None, soon)]
    assert set(job_ids) <= set(ended)
    assert len(set(ended)) == len(ended)
    assert sweep_stack.count_records(job_ids[0]) > 0
    deleted = history.delete_runs(sweep_stack.client, ["export-report"], soon, at_most=1000)
    assert deleted == len(ended)
    assert {sweep_stack.api.get(f"/exports/{job_id}").status_code for job_id in job_ids} == {404}
    deadline = time.monotonic() + SWEEP_TIMEOUT_SECONDS
    while sweep_stack.count_records(job_ids[0]):  # Prefect deletes the log in the background
        assert time.monotonic() < deadline
        time.sleep(0.2)
