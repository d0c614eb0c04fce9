"""Test the message and exit code for each kind of mistake in a command, a setting or a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments import cli
from flows.reports import load_reports
from tests.unit.reports.test_catalog import report_file

SERVICE = {
    "REPORTS_DATABASE_URL": "sqlite://",
    "REPORTS_STORAGE_URL": "file:///files",
    "PREFECT_API_URL": "http://127.0.0.1:1/api",
}
FOREIGN_POOL = "deployments: [{name: a, entrypoint: flows.export.export_report, work_pool: {name: day}}]"
NO_DRIVER = (
    "REPORTS_DATABASE_URL names mssql://, which needs a driver. Run: pip install pyodbc, or the extra"
    " report-exports[mssql]"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    for name in (*SERVICE, "REPORTS_CATALOG", "REPORTS_KEYS_FILE", "REPORTS_WORK_POOL", "REPORTS_API_URL"):
        monkeypatch.delenv(name, raising=False)
    load_reports.cache_clear()
    yield tmp_path
    load_reports.cache_clear()


def run(command: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    try:
        code = cli.main(command.split())
    except SystemExit as error:  # raised by argparse
        code = int(error.code or 0)
    output = capsys.readouterr()
    assert "Traceback" not in output.err
    return code, " ".join((output.out + output.err).split())


@pytest.mark.parametrize(
    ("command", "settings", "message"),
    [
        ("up --host 0.0.0.0", {}, "authentication is not configured. Set REPORTS_KEYS_FILE"),
        ("up --port 8000 --prefect-port 8000", {}, "are both 8000. Choose different ports."),
        ("up", {"REPORTS_DATABASE_URL": "shop"}, "REPORTS_DATABASE_URL must be an SQLAlchemy URL, such as"),
        ("up", {"REPORTS_DATABASE_URL": "mssql://user@host/shop"}, NO_DRIVER),
        ("up", {"REPORTS_STORAGE_URL": "gs://files"}, "REPORTS_STORAGE_URL must be s3://bucket/prefix or"),
        ("up", {"PREFECT_API_URL": "localhost"}, "PREFECT_API_URL must be an http or https URL, such as"),
        ("up", {"REPORTS_ATTEMPTS": "0"}, "REPORTS_ATTEMPTS must be at least 1."),
        ("up", {"REPORTS_DEFAULT_REPORT": "x"}, "REPORTS_DEFAULT_REPORT: no report is named 'x'; reports:"),
        ("up --strict", {"REPORTS_CATALOG": "no_such_module"}, "No module named 'no_such_module'; start the"),
        ("api", {}, "REPORTS_DATABASE_URL is not set. Set it to an SQLAlchemy URL"),
        ("worker --limit 0", SERVICE, "'0' is not a whole number from 1 to 1,000."),
        ("keys list", {}, "No key file. Use --file FILE or set REPORTS_KEYS_FILE."),
        (
            "keys --file k create --caller ada --report nonsense",
            {},
            "--report: no report is named 'nonsense'. Reports: orders, survey-responses.",
        ),
        ("keys --file k create --caller ada --allow region", {}, "must have the form CLAIM=VALUE"),
        ("keys --file k revoke 0a", {}, "No key has the id '0a'. Run `keys list` to see the ids."),
        ("new orders", {}, "REPORTS_DATABASE_URL is not set."),
        ("new orders", {"REPORTS_DATABASE_URL": "sqlite://"}, "There is no table or view 'orders'. Tables"),
        ("check", {"REPORTS_DATABASE_URL": "sqlite://"}, "No report has been declared. Write one with"),
        (
            "export orders -o missing/x.csv",
            {"REPORTS_API_URL": "http://127.0.0.1:1"},
            "--output: the folder missing does not exist.",
        ),
        ("list --limit 0", {}, "--limit"),
        ("list --timeout soon", {}, "--timeout: 'soon' is not a number of seconds from 0 to 86,400."),
        ("list --api shop", {}, "--api: not an http or https URL, such as http://127.0.0.1:8000."),
        ("frobnicate", {}, "invalid choice: 'frobnicate'"),
        ("up --sample-responses 0", {}, "'0' is not a whole number from 1 to 20,000,000."),
        ("api --port 70000", {}, "--port: '70000' is not a whole number from 0 to 65,535."),
        ("api --processes 0", {}, "--processes: '0' is not a whole number from 1 to 64."),
        ("api --host db.internal", {}, "--host: 'db.internal' is not an IP address."),
        (
            "api --root-path exports",
            {},
            "--root-path: 'exports' must start with a slash and not end with one.",
        ),
        ("worker", {}, "PREFECT_API_URL is not set. Set it to an http or https URL"),
        ("worker --grace soon", {}, "--grace: 'soon' is not a number of seconds from 0 to 86,400."),
        ("register", {}, "PREFECT_API_URL is not set."),
        ("register --wait soon", {}, "--wait: 'soon' is not a number of seconds from 0 to 86,400."),
        ("sweep-once", {}, "REPORTS_STORAGE_URL is not set. Set it to s3://bucket/prefix or file:///folder."),
        ("check --seconds 0", {}, "--seconds: '0' is not a whole number from 1 to 86,400."),
        ("check nothing", {"REPORTS_CATALOG": "flows.samples"}, "No report is named 'nothing'. Reports:"),
        ("new", {}, "the following arguments are required: TABLE"),
        (
            "new t --database x",
            {"REPORTS_DATABASE_URL": "sqlite://"},
            "has no database 'x'. Databases: none.",
        ),
        ("export", {}, "the following arguments are required: REPORT"),
        ("export orders --filter status", {}, "--filter: 'status' does not have the form NAME=VALUE."),
        ("export orders --csv-option header", {}, "'header' does not have the form NAME=VALUE."),
        ("schedules", {}, "the following arguments are required: ACTION"),
        ("schedules create orders", {}, "one of the arguments --cron --every --rrule is required"),
        (
            "schedules create orders --cron x --every P1D",
            {},
            "argument --every: not allowed with argument --cron",
        ),
        ("keys create", {}, "the following arguments are required: --caller"),
        ("completion fish", {}, "argument shell: invalid choice: 'fish'"),
    ],
)
def test_a_mistake_in_a_command_or_setting_is_explained(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    settings: dict[str, str],
    message: str,
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    code, output = run(command, capsys)
    assert message in output
    assert code == 2


@pytest.mark.parametrize(
    ("file", "content", "command", "message"),
    [
        (
            "README.md",
            "mine",
            "init",
            "README.md exists, and `init` overwrites nothing. Choose another folder.",
        ),
        ("prefect.yaml", FOREIGN_POOL, "up", "uses the work pool 'day', but REPORTS_WORK_POOL is 'exports'"),
        ("prefect.yaml", "a: [", "up", "prefect.yaml cannot be read: while parsing a flow node"),
        ("keys.json", "not keys", "keys --file keys.json list", "keys.json is not a valid API key file"),
        (
            "mistaken_report.py",
            report_file(more=', filters=["id"]'),
            "up --strict",
            "mistaken_report.py:5: filters: must map names to values, such as"
            ' filters={"carrier": flights.c.carrier}',
        ),
        (".env", "REPORTS_DATABASE_URL=shop", "check", "REPORTS_DATABASE_URL must be an SQLAlchemy URL"),
    ],
)
def test_a_mistake_in_a_file_is_explained(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str,
    content: str,
    command: str,
    message: str,
) -> None:
    (folder / file).write_text(content)
    monkeypatch.setenv("REPORTS_CATALOG", "mistaken_report")
    if file == ".env":  # the command sets the variable, so monkeypatch must restore it
        monkeypatch.setenv("REPORTS_DATABASE_URL", "")
        monkeypatch.delenv("REPORTS_DATABASE_URL")
    code, output = run(command, capsys)
    assert message in output
    assert code in (1, 2)
