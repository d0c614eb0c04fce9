"""One sweep, and nothing is left in the storage that no export leads to."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import botocore.session
import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.storage.s3 import S3Storage
from flows.sweep import Swept, sweep
from tests.support.export_client import ARTICLES_REQUEST, EMPTY_SURVEY, Session, follow, start
from tests.support.running_stack import Stack, running_stack

UNKNOWN = "00000000-0000-4000-8000-000000000000"
LONG_AGO, SOON = timedelta(days=7), timedelta(minutes=1)
SWEPT_WITHIN_SECONDS = 60


class Ground:
    """A stack of its own, for a sweep spares nothing that is old enough."""

    def __init__(self, stack: Stack, api: httpx.Client, client: SyncPrefectClient, s3: Any) -> None:
        self.stack, self.api, self.client, self.s3 = stack, api, client, s3
        self.storage = S3Storage(stack.bucket, "")

    def export(self, **request: Any) -> str:
        session = Session(start(self.api, ARTICLES_REQUEST | request).id)
        follow(self.api, session)
        return session.id

    def put(self, key: str) -> None:
        self.s3.put_object(Bucket=self.stack.bucket, Key=key, Body=b"left behind")

    def begin_upload(self, key: str) -> None:
        self.s3.create_multipart_upload(Bucket=self.stack.bucket, Key=key)

    def objects(self) -> set[str]:
        return {each.key for each in self.storage.stored()}

    def uploads(self) -> set[str]:
        return {each.key for each in self.storage.unfinished()}

    def sweep(self, kept: timedelta = LONG_AGO) -> Swept:
        return sweep(self.client, self.storage, datetime.now(UTC) - kept)


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with (
        TemporaryDirectory(prefix="reports-", ignore_cleanup_errors=True) as folder,
        running_stack(Path(folder) / "data") as stack,
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
        yield Ground(stack, api, client, s3)
        s3.close()


def test_what_no_receipt_leads_to_is_removed_and_every_file_stays(ground: Ground) -> None:
    done = ground.export()
    files = ground.objects()
    ground.put(f"{done}/2.csv")
    ground.begin_upload(f"{done}/3.csv")
    ground.put("read-me.txt")
    swept = ground.sweep()
    assert (swept.objects, swept.uploads, swept.expired) == (1, 1, 0)
    assert ground.objects() == files | {"read-me.txt"}
    assert ground.uploads() == set()
    assert ground.sweep() == Swept()


def test_files_of_runs_that_are_not_known_here_stay_as_long_as_any_file_is_kept(ground: Ground) -> None:
    ground.put(f"{UNKNOWN}/1.csv")
    ground.sweep()
    assert f"{UNKNOWN}/1.csv" in ground.objects()
    ground.sweep(kept=-SOON)
    assert f"{UNKNOWN}/1.csv" not in ground.objects()


def test_an_expired_file_is_gone_and_the_export_says_so(ground: Ground) -> None:
    job_id = ground.export(surveyId=EMPTY_SURVEY)
    swept = ground.sweep(kept=-SOON)
    assert swept.expired >= 1
    assert not [key for key in ground.objects() if key.startswith(job_id)]
    job = ground.client.read_flow_run(UUID(job_id))
    assert "expired" in job.tags
    with httpx.Client(base_url=ground.stack.api_url, trust_env=False, timeout=30) as api:
        listed = api.get("/exports", params={"status": "expired"}).raise_for_status().json()["items"]
    assert job_id in [each["id"] for each in listed]


def test_a_deleted_export_that_was_going_on_leaves_no_record(ground: Ground) -> None:
    job_id = start(ground.api, ARTICLES_REQUEST | {"name": "soon deleted"}).id
    assert ground.api.delete(f"/exports/{job_id}").status_code == 204
    until = time.monotonic() + SWEPT_WITHIN_SECONDS
    while job_id in [str(run.id) for run in ground.client.read_flow_runs(limit=200)]:
        assert time.monotonic() < until
        ground.sweep()
        time.sleep(0.5)
    assert not [key for key in ground.objects() if key.startswith(job_id)]


def test_the_sweep_is_a_deployment_that_runs_every_hour(ground: Ground) -> None:
    found = ground.client.read_deployment_by_name("sweep-files/sweep")
    assert [schedule.active for schedule in found.schedules] == [True]
    run = ground.client.create_flow_run_from_deployment(found.id)
    until = time.monotonic() + SWEPT_WITHIN_SECONDS
    while (state := ground.client.read_flow_run(run.id).state) is None or not state.is_final():
        assert time.monotonic() < until, state
        time.sleep(0.2)
    assert state.is_completed()
    assert (state.message or "").startswith("Removed ")
