"""A client that a generator makes from the live OpenAPI document works, with nothing written by hand."""

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
POST_HOOKS = "post_hooks: []  # nobody reads the code, so nothing formats it\n"


class Generated:
    """Each operation under its own name: `client.get_export(…)` is the whole answer, parsed."""

    def __init__(self, url: str) -> None:
        package = importlib.import_module(PACKAGE)
        self.models: Any = importlib.import_module(f"{PACKAGE}.models")
        self._client = package.Client(base_url=url, timeout=30, httpx_args={"trust_env": False})
        folder = Path(str(package.__file__)).parent / "api"
        self._modules = {each.stem: each.parent.name for each in folder.glob("*/*.py")}

    def __enter__(self) -> "Generated":
        self._client.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._client.__exit__(*raised)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        module = importlib.import_module(f"{PACKAGE}.api.{self._modules[operation]}.{operation}")
        return lambda *path, **given: module.sync_detailed(*path, client=self._client, **given)

    def ended(self, job_id: Any) -> Any:
        until = time.monotonic() + TIMEOUT_SECONDS
        state = self.get_export(job_id, prefer="wait=5").parsed
        while state.status not in ("done", "error", "cancelled"):
            assert time.monotonic() < until, state
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
    made = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a locked program
    assert made.returncode == 0, made.stdout + made.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        with Generated(stack.api_url) as made_client:
            yield made_client


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
    return client.ended(started.parsed.id)


def test_it_starts_an_export_follows_it_and_downloads_the_file(client: Any, done: Any) -> None:
    assert (done.status, done.file.rows, done.error) == ("done", 1, None)
    led = client.download_export(done.id)
    assert led.status_code == 303
    file = httpx.get(led.headers["location"], trust_env=False).raise_for_status().content
    assert len(file) == done.file.bytes_
    assert file.count(b"\r\n") == 2
    assert client.get_manifest(done.id).parsed.sha256 == done.file.sha256


def test_it_lists_exports_as_objects(client: Any, done: Any) -> None:
    listed = client.list_exports(status=client.models.ListExportsStatus.DONE, limit=100).parsed
    assert done.id in [each.id for each in listed.items]
    assert {type(each) for each in listed.items} == {client.models.Export}


def test_it_polls_the_articles_route_and_tells_the_three_answers_apart(client: Any, done: Any) -> None:
    polled = client.poll_csv(job_id=done.id).parsed
    assert isinstance(polled.data, client.models.PollDone)
    assert polled.data.url.startswith("http")


def test_a_dry_run_is_another_type_than_an_export(client: Any) -> None:
    request = client.models.OrdersExportRequest(report="orders", from_="2024-03-01", to="2024-03-02")
    told = client.start_export(body=request, dry_run=True).parsed
    assert isinstance(told, client.models.DryRun)
    assert told.rows >= len(told.sample) > 0


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
    assert [each.pointer for each in refused.parsed.errors] == ["/from"]


def test_it_makes_changes_and_removes_a_recurring_export(client: Any) -> None:
    models = client.models
    wanted = models.NewSchedule(
        name="From a generated client",
        recurrence=models.CronRecurrence(cron="0 9 * * MON", time_zone="Europe/Madrid"),
        range_=models.RelativeRange(kind="relative", preset=models.RelativeRangePreset.PREVIOUS_WEEK),
        export=models.SurveyResponsesRecurringRequest(survey_id=EMPTY_SURVEY),
    )
    made = client.create_schedule(body=wanted)
    assert (made.status_code, made.parsed.name, len(made.parsed.next_runs)) == (201, wanted.name, 3)
    assert isinstance(made.parsed.recurrence, models.CronRecurrence)
    paused = client.change_schedule(made.parsed.id, body=models.ScheduleChange(enabled=False)).parsed
    assert (paused.enabled, paused.next_runs) == (False, [])
    assert client.delete_schedule(made.parsed.id).status_code == 204
    assert client.get_schedule(made.parsed.id).status_code == 404
