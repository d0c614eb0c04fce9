"""Test the command line against the running service."""

import csv
import hashlib
import io
import json
import os
import pty
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.command_line import ARTICLES_OPTIONS, PROGRAM, Result, list_files, run
from tests.support.export_client import EMPTY_SURVEY, SURVEY, Session
from tests.support.running_stack import Stack, clean_environment

UNKNOWN = "00000000-0000-4000-8000-000000000000"
DAY_2 = "2025-01-02T00:00:00Z"
ORDERS = ("orders", "--from", "2024-03-01", "--to", "2024-03-07")
EMPTY = ("survey-responses", "--survey", EMPTY_SURVEY, "--from", "2025-1-1", "--to", "2025-1-2")


def export(stack: Stack, folder: Path, *options: str, **settings: str) -> Result:
    return run(stack.api_url, folder, "export", *options, **settings)


def latest_job(api: httpx.Client) -> dict[str, Any]:
    return dict(api.get("/exports", params={"limit": 1}).json()["items"][0])


def test_the_file_equals_the_one_from_the_api(stack: Stack, article: Session, tmp_path: Path) -> None:
    ran = export(stack, tmp_path, *ARTICLES_OPTIONS, "-o", "week.csv")
    assert (ran.code, ran.stdout) == (0, b"")
    assert (tmp_path / "week.csv").read_bytes() == article.file()
    assert list_files(tmp_path) == ["week.csv"]
    assert "week.csv: 222 rows, 48.0 kB, SHA-256 verified" in ran.stderr


def test_without_a_terminal_progress_is_plain_lines(stack: Stack, tmp_path: Path) -> None:
    ran = export(stack, tmp_path, *EMPTY, "--name", secrets.token_hex(8))
    first, *_, summary = ran.stderr.splitlines()
    assert first.startswith("Export ")
    assert "SHA-256 verified (" in summary
    assert "\x1b" not in ran.stderr
    assert "\r" not in ran.stderr


def test_a_terminal_shows_a_progress_bar(stack: Stack, tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    environment = {**clean_environment(), "REPORTS_API_URL": stack.api_url, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(  # noqa: S603 - our command line
        [PROGRAM, "export", *ORDERS],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
    )
    os.close(terminal)
    output = b""
    while data := _read(controller):
        output += data
    os.close(controller)
    assert process.wait() == 0
    text = output.decode()
    assert "━" in text
    assert "\x1b[?25h" in text, "the cursor is visible again"
    assert " verified (" in text


def _read(controller: int) -> bytes:
    try:
        return os.read(controller, 65_536)
    except OSError:  # the command has ended and closed the terminal
        return b""


def test_quiet_prints_nothing_and_uses_the_services_file_name(stack: Stack, tmp_path: Path) -> None:
    ran = export(stack, tmp_path, *ORDERS, "--quiet")
    assert (ran.code, ran.stdout, ran.stderr) == (0, b"", "")
    assert list_files(tmp_path) == ["orders_2024-03-01_2024-03-07.csv"]


def test_a_folder_receives_the_file_under_the_services_name(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    assert export(stack, tmp_path, *ORDERS, "--quiet", "-o", "downloads").code == 0
    assert list_files(tmp_path / "downloads") == ["orders_2024-03-01_2024-03-07.csv"]


def test_stdout_receives_only_the_file(stack: Stack, article: Session, tmp_path: Path) -> None:
    ran = export(stack, tmp_path, *ARTICLES_OPTIONS, "-o", "-")
    assert (ran.code, ran.stdout) == (0, article.file())
    assert list_files(tmp_path) == []


def test_a_closed_pipe_ends_the_command_quietly(stack: Stack, tmp_path: Path) -> None:
    command = f"{PROGRAM} export orders --from 2024-01-01 --to 2024-12-31 --quiet -o - | head -c 10"
    environment = {**clean_environment(), "REPORTS_API_URL": stack.api_url}
    ran = subprocess.run(  # noqa: S603 - our command line
        ["/bin/bash", "-c", f"set -o pipefail; {command}"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        timeout=90,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, b"Number,Pla", b"")


def test_every_option_reaches_the_service(stack: Stack, api: httpx.Client, tmp_path: Path) -> None:
    name = secrets.token_hex(8)
    options = (
        *("--scope", f"surveyId={EMPTY_SURVEY}", "--from", "2025-01-01T00:00:00Z", "--to", DAY_2),
        *("--filter", "utm=wa", "--filter", "utm=null", "--filter", "isAttended=false"),
        *("--columns", "utm,id", "--sort=-id", "--time-zone", "Asia/Tokyo", "--name", name),
        *("--csv", "plain", "--csv-option", "header=keys"),
    )
    ran = export(stack, tmp_path, "survey-responses", *options, "-o", "-")
    assert (ran.code, ran.stdout) == (0, b"utm,id\n")
    assert latest_job(api)["request"] == {
        "report": "survey-responses",
        "surveyId": EMPTY_SURVEY,
        "from": "2025-01-01T00:00:00Z",
        "to": DAY_2,
        "filters": {"utm": ["wa", None], "isAttended": False},
        "columns": ["utm", "id"],
        "sort": "-id",
        "timeZone": "Asia/Tokyo",
        "csv": {"preset": "plain", "header": "keys"},
        "name": name,
    }


@pytest.mark.parametrize("option", ["--survey", "--survey-id", "--surveyId"])
def test_a_scope_has_several_options(stack: Stack, tmp_path: Path, option: str) -> None:
    period = ("--from", "2025-1-1", "--to", "2025-1-2")
    ran = export(stack, tmp_path, option, EMPTY_SURVEY, "survey-responses", *period, "--quiet", "-o", "a.csv")
    assert (ran.code, ran.stderr) == (0, "")


def test_an_existing_file_is_kept_and_no_export_starts(
    stack: Stack, api: httpx.Client, article: Session, tmp_path: Path
) -> None:
    (tmp_path / "week.csv").write_text("mine")
    previous = latest_job(api)["id"]
    ran = export(stack, tmp_path, *ARTICLES_OPTIONS, "-o", "week.csv")
    assert (ran.code, ran.stderr) == (
        2,
        "report-exports: week.csv already exists. Use --force to overwrite it.\n",
    )
    assert latest_job(api)["id"] == previous
    assert (tmp_path / "week.csv").read_text() == "mine"
    assert export(stack, tmp_path, *ARTICLES_OPTIONS, "-o", "week.csv", "--force").code == 0
    assert (tmp_path / "week.csv").read_bytes() == article.file()
    assert list_files(tmp_path) == ["week.csv"]


def test_an_existing_file_with_the_services_name_is_kept(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "orders_2024-03-01_2024-03-07.csv").write_text("mine")
    ran = export(stack, tmp_path, *ORDERS)
    assert ran.code == 2
    assert "orders_2024-03-01_2024-03-07.csv already exists" in ran.stderr
    assert (tmp_path / "orders_2024-03-01_2024-03-07.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("nothing",), "REPORT: unknown report 'nothing'. Choose one of orders, survey-responses."),
        ((*ORDERS, "--survey", SURVEY), "--survey: unknown option. This report has these options: none."),
        (("survey-responses", "--to", "2024-7-26"), "--survey: This field is required.\n--from: This field"),
        ((*EMPTY[:1], "--survey", "7", *EMPTY[3:]), "--survey: Not a valid id."),
        ((*EMPTY, "--filter", "colour=red"), "--filter colour: Unknown filter"),
        ((*EMPTY, "--filter", "isAttended=perhaps"), "--filter isAttended: "),
        ((*EMPTY, "--columns", "id,total"), "--columns: Unknown column 'total'"),
        ((*EMPTY, "--sort", "total"), "--sort: Cannot sort by 'total'"),
        ((*EMPTY, "--time-zone", "Mars"), "--time-zone: "),
        ((*EMPTY, "--csv", "fancy"), "--csv: Preset must be one of plain, rfc4180, excel."),
        ((*EMPTY, "--csv-option", "header=5"), "--csv-option header: Header must be one of"),
        ((*EMPTY, "--idempotency-key", "a b"), "--idempotency-key: "),
        ((*EMPTY, "--scope", "colour=red"), "--colour: Unknown field."),
        ((*EMPTY, "--survey-id", SURVEY), "--survey: specified twice."),
        ((*EMPTY, "--scope", "name=x"), "--scope name=: use the option --name instead."),
        ((*EMPTY, "--detatch"), "--detatch: unknown option, or its value is missing."),
        ((*EMPTY, "-o", "missing/x.csv"), "--output: the folder missing does not exist."),
    ],
)
def test_an_error_names_its_option(
    stack: Stack, tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    ran = export(stack, tmp_path, *options)
    assert (ran.code, ran.stdout) == (2, b"")
    assert sentence in ran.stderr
    assert list_files(tmp_path) == []


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nothing",),
        ("export",),
        ("export", "orders", "--filter", "utm"),
        ("export", "orders", "--timeout", "soon"),
        ("export", "orders", "--api", "ftp://somewhere"),
        ("list", "--limit", "0"),
        ("list", "--lim", "3"),
        ("cancel",),
        ("cancel", ""),
    ],
)
def test_wrong_usage_exits_with_2(stack: Stack, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert run(stack.api_url, tmp_path, *arguments).code == 2


def test_an_unreachable_service_exits_with_3_and_shows_no_password(tmp_path: Path) -> None:
    url = "http://user:canary@127.0.0.1:9"
    ran = run(url, tmp_path, "export", *ORDERS, "--timeout", "0.6", REPORTS_API_KEY="canary")
    assert ran.code == 3
    assert "The service at http://127.0.0.1:9 is not responding." in ran.stderr
    assert "canary" not in ran.stderr


@pytest.mark.parametrize("path", ["", "/openapi.json?", "/healthz#"])
@pytest.mark.parametrize("command", [("list",), ("export", "orders"), ("cancel", UNKNOWN)])
def test_a_server_that_is_not_the_service_exits_with_2(
    stack: Stack, tmp_path: Path, path: str, command: tuple[str, ...]
) -> None:
    ran = run(stack.prefect_api_url.removesuffix("/api") + path, tmp_path, *command)
    assert ran.code == 2


def test_detach_prints_the_id_and_a_repeated_key_returns_it(stack: Stack, tmp_path: Path) -> None:
    key = ("--idempotency-key", secrets.token_hex(8))
    first = export(stack, tmp_path, *EMPTY, *key, "--detach")
    second = export(stack, tmp_path, *EMPTY, *key, "--detach")
    assert (first.code, first.stderr, second.stdout) == (0, "", first.stdout)
    assert list_files(tmp_path) == []
    followed = export(stack, tmp_path, *EMPTY, *key, "-o", "a.csv")
    assert followed.code == 0
    other = export(stack, tmp_path, *ORDERS, *key, "--detach")
    assert other.code == 2
    assert "--idempotency-key: This Idempotency-Key was already used with" in other.stderr


def test_cancel_rejects_an_unknown_id(stack: Stack, tmp_path: Path) -> None:
    ran = run(stack.api_url, tmp_path, "cancel", UNKNOWN)
    assert (ran.code, ran.stderr) == (2, "report-exports: No export has this id.\n")


def test_cancel_rejects_an_export_that_has_ended(stack: Stack, api: httpx.Client, tmp_path: Path) -> None:
    export(stack, tmp_path, *EMPTY, "-o", "a.csv")
    job_id = latest_job(api)["id"]
    ran = run(stack.api_url, tmp_path, "cancel", job_id)
    assert (ran.code, ran.stderr) == (2, f"report-exports: Export {job_id} had already ended: done.\n")


def test_the_list_is_a_table_of_the_services_list(
    stack: Stack, api: httpx.Client, article: Session, tmp_path: Path
) -> None:
    ran = run(stack.api_url, tmp_path, "list", "--status", "done", "--limit", "3", TZ="UTC")
    head, *lines = ran.stdout.decode().splitlines()
    jobs = api.get("/exports", params={"status": "done", "limit": 3}).json()["items"]
    assert head.split() == ["ID", "REPORT", "NAME", "STATUS", "ROWS", "SIZE", "CREATED", "EXPIRES"]
    assert [line.split()[0] for line in lines] == [job["id"] for job in jobs]
    for line, job in zip(lines, jobs, strict=True):
        assert f"{job['file']['rows']:,}" in line
        assert job["createdAt"][:16].replace("T", " ") in line
        assert job["file"]["expiresAt"][:16].replace("T", " ") in line


def test_the_json_list_has_all_fields_but_the_links(stack: Stack, api: httpx.Client, tmp_path: Path) -> None:
    export(stack, tmp_path, *EMPTY, "-o", "a.csv")
    ran = run(stack.api_url, tmp_path, "list", "--json", "--limit", "1")
    printed, expected = json.loads(ran.stdout), latest_job(api)
    assert expected["file"].pop("url")
    assert expected["file"].pop("urlExpiresAt")
    assert printed == [expected]
    content = (tmp_path / "a.csv").read_bytes()
    assert printed[0]["file"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert len(list(csv.reader(io.StringIO(content.decode(), newline="")))) == 1


def test_the_list_rejects_an_unknown_status(stack: Stack, tmp_path: Path) -> None:
    ran = run(stack.api_url, tmp_path, "list", "--status", "finished")
    assert ran.code == 2
    assert "--status: Must be one of " in ran.stderr


RECURRENCE = ("--cron", "0 9 * * MON", "--time-zone", "Europe/Madrid", "--range", "previous-week")
SCHEDULE = ("survey-responses", "--survey", EMPTY_SURVEY, *RECURRENCE)


def schedules(stack: Stack, folder: Path, *arguments: str) -> Result:
    return run(stack.api_url, folder, "schedules", *arguments, TZ="UTC")


@pytest.fixture
def schedule_id(stack: Stack, api: httpx.Client, tmp_path: Path) -> Iterator[str]:
    """Create a schedule with --only-if-rows. Its runs find no rows."""
    name = ("--name", "Weekly attendees", "--only-if-rows")
    created = schedules(stack, tmp_path, "create", *SCHEDULE, *name, "--filter", "isAttended=true")
    assert created.code == 0, created.stderr
    created_id = created.stdout.decode().strip()
    schedule = api.get(f"/schedules/{created_id}").json()
    assert [line.rpartition(": ")[2] for line in created.stderr.splitlines()] == [
        f"{run['from']} to {run['to']}" for run in schedule["nextRuns"]
    ]
    yield created_id
    api.delete(f"/schedules/{created_id}")


def test_a_schedule_from_creation_to_deletion(
    stack: Stack, api: httpx.Client, schedule_id: str, tmp_path: Path
) -> None:
    schedule = api.get(f"/schedules/{schedule_id}").json()
    assert (schedule["name"], schedule["onlyIfRows"]) == ("Weekly attendees", True)
    assert schedule["recurrence"] == {"cron": "0 9 * * MON", "timeZone": "Europe/Madrid"}
    assert schedule["range"] == {"kind": "relative", "preset": "previous-week"}
    assert schedule["export"] == {
        "report": "survey-responses",
        "surveyId": EMPTY_SURVEY,
        "filters": {"isAttended": True},
    }
    assert json.loads(schedules(stack, tmp_path, "list", "--json", "--limit", "1").stdout) == [schedule]

    assert schedules(stack, tmp_path, "pause", schedule_id).stdout == b"Weekly attendees is paused.\n"
    listed = schedules(stack, tmp_path, "list").stdout.decode().splitlines()
    assert next(line for line in listed if line.startswith(schedule_id)).split()[-1] == "paused"
    resumed = schedules(stack, tmp_path, "resume", schedule_id)
    assert (resumed.stdout, len(resumed.stderr.splitlines())) == (b"Weekly attendees is active.\n", 3)

    ran = schedules(stack, tmp_path, "run", schedule_id, "-o", "week.csv")
    assert (ran.code, list_files(tmp_path)) == (0, [])
    assert "There were no rows, so no file was created (rows.none)." in ran.stderr
    history = json.loads(schedules(stack, tmp_path, "history", schedule_id, "--json").stdout)
    assert [job["scheduleId"] for job in history] == [schedule_id]

    assert schedules(stack, tmp_path, "delete", schedule_id).code == 0
    gone = schedules(stack, tmp_path, "history", schedule_id)
    assert (gone.code, gone.stderr) == (2, "report-exports: No schedule has this id.\n")
    assert api.get(f"/exports/{history[0]['id']}").status_code == 200


def test_run_waits_for_the_file(stack: Stack, api: httpx.Client, tmp_path: Path) -> None:
    days = ("--every", "P1D", "--range", "2024-03-01..2024-03-07", "--name", "A week", "--file-name", "week")
    schedule_id = schedules(stack, tmp_path, "create", "orders", *days).stdout.decode().strip()
    try:
        ran = schedules(stack, tmp_path, "run", schedule_id, "-o", "week.csv")
        assert (ran.code, list_files(tmp_path)) == (0, ["week.csv"])
        assert (
            latest_job(api)["file"]["sha256"]
            == hashlib.sha256((tmp_path / "week.csv").read_bytes()).hexdigest()
        )
        started = schedules(stack, tmp_path, "run", schedule_id)
        assert started.stdout.decode().strip() == latest_job(api)["id"]
    finally:
        api.delete(f"/schedules/{schedule_id}")


def test_preview_creates_no_schedule(stack: Stack, api: httpx.Client, tmp_path: Path) -> None:
    previous = api.get("/schedules").json()
    ran = schedules(stack, tmp_path, "preview", *SCHEDULE)
    assert (ran.code, ran.stderr, len(ran.stdout.splitlines())) == (0, "", 3)
    assert ran.stdout.startswith(b"Mon ")
    assert api.get("/schedules").json() == previous


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("create", *SCHEDULE), "--name: This field is required."),
        (
            ("preview", *SCHEDULE[:3], "--cron", "@reboot", *RECURRENCE[4:]),
            "--cron: Must have exactly five",
        ),
        (("preview", *SCHEDULE[:3], *RECURRENCE[:2], "--range", "next-week"), "--range: "),
        (("preview", *SCHEDULE[:3], *RECURRENCE[:2]), "--range: Choose the dates that each run covers."),
        (("preview", *SCHEDULE, "--filter", "colour=red"), "--filter colour: Unknown filter"),
        (("preview", "survey-responses", *RECURRENCE), "--survey: "),
        (("preview", *SCHEDULE, "--from", "2024-01-01"), "--from: unknown option"),
        (("create", *SCHEDULE, "--name", "x", "--idempotency-key", "a b"), "--idempotency-key: "),
        (("create", *SCHEDULE, "--every", "P1D"), "not allowed with argument --cron"),
        (("pause", UNKNOWN), "No schedule has this id."),
        (("history", "a/b"), "report-exports: "),
        (("delete", ""), "must not be empty."),
        ((), "required: ACTION"),
    ],
)
def test_an_error_in_a_schedule_names_its_option(
    stack: Stack, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    ran = schedules(stack, tmp_path, *arguments)
    assert (ran.code, ran.stdout) == (2, b"")
    assert sentence in ran.stderr


@pytest.mark.parametrize("command", ["export", "list", "cancel", "schedules"])
def test_client_commands_do_not_import_the_service(command: str) -> None:
    heavy = "('prefect', 'pandas', 'sqlalchemy', 'fastapi', 'pydantic', 's3fs', 'flows', 'api')"
    script = (
        "import sys\n"
        "from deployments.cli import main\n"
        f"try: main(['{command}', *sys.argv[1:], '--api', 'http://127.0.0.1:9', '--timeout', '0'])\n"
        f"finally: print([name for name in {heavy} if name in sys.modules])\n"
    )
    arguments = {"export": ["orders"], "list": [], "cancel": [UNKNOWN], "schedules": ["list"]}[command]
    ran = subprocess.run(  # noqa: S603 - a module of this project
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    assert "is not responding" in ran.stderr
    assert ran.stdout == "[]\n"


def test_an_export_can_be_started_awaited_shown_and_downloaded_separately(
    stack: Stack, tmp_path: Path
) -> None:
    name = f"Märchen {secrets.token_hex(8)}"
    started = export(stack, tmp_path, *ORDERS, "--name", name, "--detach")
    job_id = started.stdout.decode().strip()
    assert run(stack.api_url, tmp_path, "wait", job_id, "--quiet").code == 0
    summary = run(stack.api_url, tmp_path, "show", job_id).stdout.decode()
    assert f"Name      {name}\n" in summary
    assert "Status    done\n" in summary
    state = json.loads(run(stack.api_url, tmp_path, "show", job_id, "--json").stdout)
    assert state["id"] == job_id
    assert "url" not in state["file"]
    downloaded = run(stack.api_url, tmp_path, "download", job_id, "-o", "orders.csv")
    assert "SHA-256 verified" in downloaded.stderr
    assert hashlib.sha256((tmp_path / "orders.csv").read_bytes()).hexdigest() == state["file"]["sha256"]
    listed = run(stack.api_url, tmp_path, "list", "--search", name.upper(), "--json")
    assert [job["id"] for job in json.loads(listed.stdout)] == [job_id]


@pytest.mark.parametrize("command", ["show", "wait", "download"])
def test_an_unknown_export_is_rejected(stack: Stack, tmp_path: Path, command: str) -> None:
    ran = run(stack.api_url, tmp_path, command, UNKNOWN)
    assert ran.code == 2
    assert list_files(tmp_path) == []


def test_wait_and_download_report_why_there_is_no_file(
    stack: Stack, api: httpx.Client, tmp_path: Path
) -> None:
    started = export(stack, tmp_path, *ORDERS, "--name", secrets.token_hex(8), "--detach")
    job_id = started.stdout.decode().strip()
    run(stack.api_url, tmp_path, "wait", job_id)
    api.delete(f"/exports/{job_id}").raise_for_status()
    assert run(stack.api_url, tmp_path, "download", job_id).code == 2
    cancelled = export(stack, tmp_path, "orders", "--from", "2023-01-01", "--to", "2024-12-31", "--detach")
    other_id = cancelled.stdout.decode().strip()
    api.post(f"/exports/{other_id}/cancel")
    ran = run(stack.api_url, tmp_path, "wait", other_id)
    state = api.get(f"/exports/{other_id}").json()
    assert ran.code == (0 if state["status"] == "done" else 1)


def test_reports_are_listed_and_described(stack: Stack, tmp_path: Path) -> None:
    assert "survey-responses" in run(stack.api_url, tmp_path, "reports").stdout.decode()
    described = run(stack.api_url, tmp_path, "reports", "orders").stdout.decode()
    assert described.startswith("orders: Orders\n")
    assert "pending, paid, shipped, refunded, cancelled" in described
    assert json.loads(run(stack.api_url, tmp_path, "reports", "orders", "--json").stdout)["name"] == "orders"
    unknown = run(stack.api_url, tmp_path, "reports", "nothing")
    assert unknown.code == 2
    assert "Choose one of orders, survey-responses." in unknown.stderr
