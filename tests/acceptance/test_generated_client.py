"""Test that a client generated from the OpenAPI document works without modification."""

import importlib
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.export_client import EMPTY_SURVEY, ONE_ROW_SURVEY, TIMEOUT_SECONDS
from tests.support.running_stack import Stack

PACKAGE = "generated_exports_client"
POST_HOOKS = "post_hooks: []  # skip formatting\n"


class Generated:
    """The generated client. Each operation is a method that returns the parsed response."""

    def __init__(self, url: str) -> None:
        package = importlib.import_module(PACKAGE)
        self.models: Any = importlib.import_module(f"{PACKAGE}.models")
        self._client = package.Client(base_url=url, timeout=30, httpx_args={"trust_env": False})
        folder = Path(str(package.__file__)).parent / "api"
        self._modules = {path.stem: path.parent.name for path in folder.glob("*/*.py")}

    def __enter__(self) -> "Generated":
        self._client.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._client.__exit__(*raised)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        module = importlib.import_module(f"{PACKAGE}.api.{self._modules[operation]}.{operation}")
        return lambda *path, **arguments: module.sync_detailed(*path, client=self._client, **arguments)

    def wait_until_finished(self, job_id: Any) -> Any:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        state = self.get_export(job_id, prefer="wait=5").parsed
        while state.status not in ("done", "error", "cancelled"):
            assert time.monotonic() < deadline, state
            state = self.get_export(job_id, prefer="wait=5").parsed
        return state


@pytest.fixture(scope="module")
def client(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("generated")
    (folder / "config.yaml").write_text(POST_HOOKS)
    command = [
        *(f"{Path(sys.executable).parent}/openapi-python-client", "generate"),
        *("--url", f"{stack.api_url}/openapi.json", "--meta", "none", "--fail-on-warning"),
        *("--config", str(folder / "config.yaml"), "--output-path", str(folder / PACKAGE)),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a locked dependency
    assert result.returncode == 0, result.stdout + result.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        with Generated(stack.api_url) as client:
            yield client


@pytest.fixture(scope="module")
def done(client: Any) -> Any:
    models = client.models
    request = models.SurveyResponsesExportRequest(
        survey_id=ONE_ROW_SURVEY,
        from_="2024-09-24",
        to="2024-09-24",
        csv=models.CsvOptions(preset=models.CsvPreset.EXCEL, delimiter=models.CsvOptionsDelimiter(";")),
        name=secrets.token_hex(8),
    )
    started = client.start_export(body=request)
    assert (started.status_code, started.parsed.status) == (202, "queued")
    return client.wait_until_finished(started.parsed.id)


def test_it_starts_and_downloads_an_export(client: Any, done: Any) -> None:
    assert (done.status, done.file.rows, done.error) == ("done", 1, None)
    redirect = client.download_export(done.id)
    assert redirect.status_code == 303
    file = httpx.get(redirect.headers["location"], trust_env=False).raise_for_status().content
    assert len(file) == done.file.bytes_
    assert file.count(b"\r\n") == 2
    assert client.get_manifest(done.id).parsed.sha256 == done.file.sha256


def test_it_lists_exports_as_objects(client: Any, done: Any) -> None:
    listed = client.list_exports(status=client.models.ListExportsStatus.DONE, limit=100).parsed
    assert done.id in [export.id for export in listed.items]
    assert {type(export) for export in listed.items} == {client.models.Export}


def test_it_polls_the_articles_route_with_a_typed_response(client: Any, done: Any) -> None:
    polled = client.poll_csv(job_id=done.id).parsed
    assert isinstance(polled.data, client.models.PollDone)
    assert polled.data.url.startswith("http")


def test_a_dry_run_has_another_type_than_an_export(client: Any) -> None:
    request = client.models.OrdersExportRequest(report="orders", from_="2024-03-01", to="2024-03-02")
    dry_run = client.preview_export(body=request).parsed
    assert isinstance(dry_run, client.models.DryRun)
    assert dry_run.rows >= len(dry_run.sample) > 0


def test_it_reads_the_table_with_a_filter(client: Any) -> None:
    models = client.models
    page = client.read_table(
        report=models.ReadTableReport.ORDERS,
        from_="2024-03-01",
        to="2024-03-31",
        status=[models.ReadTableStatusItem.PAID, models.ReadTableStatusItem.SHIPPED],
        page_size=5,
    ).parsed
    assert {row["status"] for row in page.items} <= {"paid", "shipped"}
    assert len(page.items) == 5


def test_a_refusal_is_a_typed_problem(client: Any) -> None:
    request = client.models.SurveyResponsesExportRequest(
        survey_id=EMPTY_SURVEY, from_="2025-2-30", to="2025-3-1"
    )
    refused = client.start_export(body=request)
    assert refused.status_code == 422
    assert isinstance(refused.parsed, client.models.Problem)
    assert [error.pointer for error in refused.parsed.errors] == ["/from"]


def test_it_creates_changes_and_deletes_a_schedule(client: Any) -> None:
    models = client.models
    body = models.NewSchedule(
        name="From a generated client",
        recurrence=models.CronRecurrence(cron="0 9 * * MON", time_zone="Europe/Madrid"),
        range_=models.RelativeRange(kind="relative", preset=models.RelativeRangePreset.PREVIOUS_WEEK),
        export=models.SurveyResponsesScheduledRequest(survey_id=EMPTY_SURVEY),
    )
    created = client.create_schedule(body=body)
    assert (created.status_code, created.parsed.name, len(created.parsed.next_runs)) == (201, body.name, 3)
    assert isinstance(created.parsed.recurrence, models.Cron)
    paused = client.change_schedule(created.parsed.id, body=models.ScheduleChange(enabled=False)).parsed
    assert (paused.enabled, paused.next_runs) == (False, [])
    assert client.delete_schedule(created.parsed.id).status_code == 204
    assert client.get_schedule(created.parsed.id).status_code == 404
