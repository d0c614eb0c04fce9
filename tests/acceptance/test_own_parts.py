"""Test the service with a SQLite database, a storage folder and custom reports."""

import hashlib
import io
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, insert

from flows.samples.survey_responses import responses, survey_choices, survey_questions, surveys
from flows.sources.sqlite.adbc_chunks import FROM_ROWS
from flows.storage.folder import FolderStorage
from flows.storage.protocol import content_disposition
from tests.acceptance.custom_reports.visits import visits
from tests.support import csv_reader
from tests.support.export_client import Session, follow, start
from tests.support.extra_processes import create_pool, deploy_export, extra_processes, pool_settings
from tests.support.running_stack import Stack

CATALOG = "flows.samples,tests.acceptance.custom_reports.visits"
POOL = "custom-components"
SURVEY, LARGE_SURVEY = "a" * 24, "b" * 24
LARGE = FROM_ROWS + 10_000
RUN_TIMEOUT_SECONDS = 60
REQUESTS = {
    "visits": {"report": "visits", "from": "2024-02-01", "to": "2024-03-31", "filters": {"path": "/a"}},
    "zipped": {
        "report": "visits",
        "from": "2024-02-01",
        "to": "2024-03-31",
        "csv": {"preset": "excel", "compression": "zip", "splitRows": 1100},
    },
    "paths": {"report": "visits", "from": "2024-02-01", "to": "2024-02-02", "columns": ["path"]},
    "survey": {"surveyId": SURVEY, "from": "2024-01-01", "to": "2024-01-31", "timeZone": "Asia/Tokyo"},
    "large": {"surveyId": LARGE_SURVEY, "from": "2024-02-01", "to": "2024-02-29"},
}
SURVEYS_FILE = (
    "Response,Submitted at,Attended,UTM source,Name,E-mail,Country,Score,Comment,Which?,Why?\n"
    '2,2024-01-01T00:00:00.000000+09:00,false,,,,JP,,"",,"so\nit\nis"\n'
    '1,2024-01-31T23:59:59.999999+09:00,true,wa,"Ann ""A"" Lee",ann@example.org,DE,8,"a, b",x; y,3.5\n'
)
# Rows for the tables. The timestamps are in UTC. The last response falls on 1 February in Tokyo.
QUESTIONS = [
    {"position": 2, "key": "why", "label": "Why?", "kind": "text"},
    {"position": 1, "key": "w", "label": "Which?", "kind": "multiple-choice"},
]
RESPONSES: list[dict[str, Any]] = [
    {
        "id": 1,
        "submitted_at": datetime.fromisoformat("2024-01-31T14:59:59.999999"),
        "is_attended": True,
        "utm": "wa",
        "respondent_name": 'Ann "A" Lee',
        "respondent_email": "ann@example.org",
        "country": "DE",
        "score": 8,
        "comment": "a, b",
        "answers": {"why": 3.5, "w": ["x", "y"]},
    },
    {
        "id": 2,
        "submitted_at": datetime.fromisoformat("2023-12-31T15:00:00"),
        "is_attended": False,
        "country": "JP",
        "comment": "",
        "answers": {"why": "so\nit\nis", "w": []},
    },
    {
        "id": 3,
        "submitted_at": datetime.fromisoformat("2024-01-31T15:00:00"),
        "is_attended": True,
        "country": "DE",
        "answers": {},
    },
]


@dataclass(frozen=True)
class Custom:
    api: httpx.Client
    folder: Path
    database: Path
    sessions: dict[str, Session]


@pytest.fixture(scope="module")
def custom(stack: Stack, prefect: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Custom]:
    """Start an API and run exports with a custom database, storage and report.

    Only Prefect is shared with the stack.
    """
    home = tmp_path_factory.mktemp("custom")
    fill(home / "custom.db")
    create_pool(prefect, POOL, "process")
    deploy_export(prefect, POOL, POOL)
    settings = {
        "REPORTS_DATABASE_URL": f"sqlite:///{home / 'custom.db'}",
        "REPORTS_STORAGE_URL": f"file://{home / 'files'}",
        "REPORTS_CATALOG": CATALOG,
        **pool_settings(POOL, POOL),
    }
    with extra_processes(stack) as processes:
        address = processes.start_api(**settings)
        with httpx.Client(base_url=address, timeout=30, trust_env=False) as api:
            sessions = {name: start(api, request) for name, request in REQUESTS.items()}
            runs: dict[str, dict[str, str]] = {session.id: {} for session in sessions.values()}
            process = processes.start_runs(runs, REPORTS_PUBLIC_URL=address, **settings)
            assert process.wait(RUN_TIMEOUT_SECONDS) == 0, processes.output(process)
            follow(api, *sessions.values())
            yield Custom(api, home / "files", home / "custom.db", sessions)


def fill(file: Path) -> None:
    """Create and fill the tables. SQLite timestamps have no time zone and are treated as UTC."""
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        for table in (visits, surveys, survey_questions, survey_choices, responses):
            table.create(connection)
        connection.execute(insert(visits), [visit(number) for number in range(1, 5001)])
        for id_, title in ((SURVEY, "One"), (LARGE_SURVEY, "Many")):
            survey = {"id": id_, "title": title, "created_at": datetime.fromisoformat("2024-01-01")}
            connection.execute(insert(surveys), survey)
            questions = [{**question, "survey_id": id_} for question in QUESTIONS]
            connection.execute(insert(survey_questions), questions)
        for response in RESPONSES:
            connection.execute(insert(responses), {"survey_id": SURVEY, **response})
        connection.execute(insert(responses), [large_survey_response(number) for number in range(LARGE)])
    engine.dispose()


def large_survey_response(number: int) -> dict[str, Any]:
    """Return a row for the table of responses.

    In one of the rows, `answers` is a number. SQLite allows this, and exports ignore the number.
    """
    answers: Any = {"why": number}
    if number % 7:
        answers = {"why": f'no. {number}, "so"', "w": ["x", "y"][: number % 3]}
    return {
        "id": 1000 + number,
        "survey_id": LARGE_SURVEY,
        "submitted_at": datetime.fromisoformat("2024-02-01") + timedelta(seconds=number),
        "is_attended": number % 2 == 0,
        "utm": None if number % 5 else "wa",
        "country": "DE",
        "score": number % 11,
        "comment": None if number % 3 else "a\nb",
        "answers": 5 if number == LARGE - 100 else answers,
    }


def visit(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "path": "/a" if number % 3 else "/b, c",
        "address": f"10.0.{number % 7}.{number % 250}" if number % 5 else None,
        "day": date(2024, 1, 1) + timedelta(days=number % 100),
        "bounced": None if number % 4 == 0 else number % 2 == 0,
    }


def test_a_custom_report_is_listed_with_the_shipped_ones(custom: Custom) -> None:
    listed = custom.api.get("/report-types").raise_for_status().json()["items"]
    assert {report["name"] for report in listed} == {"survey-responses", "visits"}
    assert custom.api.get("/report-types/visits").json()["title"] == "Visits"
    choices = custom.api.get("/report-types/survey-responses/choices/surveyId", params={"search": "oN"})
    assert choices.json() == {"items": [{"value": SURVEY, "title": "One"}], "more": False}


def test_the_file_of_a_custom_report_is_its_select_with_the_transform(custom: Custom) -> None:
    names, rows = csv_reader.read(custom.sessions["visits"].file())
    with sqlite3.connect(custom.database) as connection:
        query = (
            "SELECT id, path, address, day, bounced FROM visits"
            " WHERE path = '/a' AND day BETWEEN '2024-02-01' AND '2024-03-31' ORDER BY id DESC"
        )
        visits_in_range = connection.execute(query).fetchall()
    connection.close()
    booleans = {0: "false", 1: "true", None: None}
    expected = [
        [str(id_), path, address and address[: address.rindex(".")] + ".0", day, booleans[bounced]]
        for id_, path, address, day, bounced in visits_in_range
    ]
    assert names == ["Id", "Path", "IP address", "Day", "Bounced"]
    assert len(expected) > 1000
    assert rows == expected


def test_a_transform_sees_columns_that_are_not_exported(custom: Custom) -> None:
    names, rows = csv_reader.read(custom.sessions["paths"].file())
    assert names == ["Path"]
    assert {len(row) for row in rows} == {1}


def test_the_shipped_report_writes_the_same_bytes_from_sqlite(custom: Custom) -> None:
    assert custom.sessions["survey"].file().decode() == SURVEYS_FILE


def test_two_processes_read_all_rows_of_a_large_sqlite_table(custom: Custom) -> None:
    names, rows = csv_reader.read(custom.sessions["large"].file())
    assert names == SURVEYS_FILE.splitlines()[0].split(",")
    assert len(rows) == LARGE
    assert rows == [large_survey_row(number) for number in range(LARGE)]


def large_survey_row(number: int) -> list[str | None]:
    """Return the row that the file should contain. None means NULL."""
    response = large_survey_response(number)
    answers = response["answers"] if isinstance(response["answers"], dict) else {}
    why, which = answers.get("why"), answers.get("w")
    return [
        str(response["id"]),
        response["submitted_at"].isoformat(timespec="microseconds") + "+00:00",
        "true" if response["is_attended"] else "false",
        response["utm"],
        None,
        None,
        "DE",
        str(response["score"]),
        response["comment"],
        "; ".join(which) if which else None,
        None if why is None else str(why),
    ]


def test_the_receipt_matches_the_file(custom: Custom) -> None:
    for session in custom.sessions.values():
        file = custom.api.get(f"/exports/{session.id}").raise_for_status().json()["file"]
        content = session.file()
        assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_folder_contains_the_files_and_nothing_unfinished(custom: Custom) -> None:
    stored = {str(path.relative_to(custom.folder)) for path in custom.folder.rglob("*") if path.is_file()}
    kinds = {"visits": "csv", "survey": "csv", "large": "csv", "zipped": "zip", "paths": "csv"}
    assert stored == {
        ".signing-key",
        *(f"{session.id}/1.{kinds[name]}" for name, session in custom.sessions.items()),
    }


def test_the_link_serves_a_named_csv_file(custom: Custom) -> None:
    answer = httpx.get(custom.sessions["visits"].data["url"], trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    disposition = 'attachment; filename="visits_2024-02-01_2024-03-31.csv"'
    assert answer.headers["content-disposition"] == disposition


def test_the_link_to_a_split_serves_a_named_zip_file(custom: Custom) -> None:
    answer = httpx.get(custom.sessions["zipped"].data["url"], trust_env=False)
    assert answer.headers["content-type"] == "application/zip"
    disposition = 'attachment; filename="visits_2024-02-01_2024-03-31.zip"'
    assert answer.headers["content-disposition"] == disposition
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = archive.namelist()
        rows = [len(archive.read(name).splitlines()) - 1 for name in names]
    assert names == [f"visits_2024-02-01_2024-03-31_{number}.csv" for number in (1, 2, 3)]
    assert rows == [1100, 1100, 800]


def test_a_tampered_link_is_refused(custom: Custom) -> None:
    url = httpx.URL(custom.sessions["visits"].data["url"])
    parameters = dict(url.params)
    tampered = [
        url.copy_with(query=None),
        *(url.copy_remove_param(name) for name in parameters),
        url.copy_set_param("expires", str(int(parameters["expires"]) + 1)),
        url.copy_set_param("expires", "never"),
        url.copy_set_param("disposition", "inline"),
        url.copy_set_param("signature", "0" * 64),
        url.copy_set_param("signature", "ü"),
        url.copy_with(path=f"/files/{custom.sessions['survey'].id}/1.csv"),
        url.copy_with(path="/files/../.signing-key"),
        url.copy_with(path="/files/%2e%2e/custom.db"),
        url.copy_with(path="/files/./.signing-key"),
    ]
    statuses = {str(link): httpx.get(link, trust_env=False).status_code for link in tampered}
    assert set(statuses.values()) <= {403, 404}, statuses
    assert list(statuses.values()).count(403) >= 8


def test_a_link_expires(custom: Custom) -> None:
    storage = FolderStorage(custom.folder, str(custom.api.base_url).rstrip("/"))
    key, disposition = f"{custom.sessions['visits'].id}/1.csv", content_disposition("visits.csv")
    now = datetime.now(UTC)
    valid = storage.sign(key, disposition, 60, now)
    expired = storage.sign(key, disposition, 60, now - timedelta(seconds=61))
    assert httpx.get(valid.url, trust_env=False).status_code == 200
    assert httpx.get(expired.url, trust_env=False).status_code == 403


def test_the_table_shows_the_transformed_rows(custom: Custom) -> None:
    query = {"report": "visits", "from": "2024-02-01", "to": "2024-03-31", "path": "/a", "pageSize": "200"}
    page = custom.api.get("/reports", params=query).raise_for_status().json()
    addresses = {row["address"] for row in page["items"]} - {None}
    assert len(page["items"]) == 200
    assert addresses
    assert all(address.endswith(".0") for address in addresses)


def test_a_value_that_the_table_cannot_show_is_reported(custom: Custom) -> None:
    """Store an invalid date, which SQLite accepts."""
    with closing(sqlite3.connect(custom.database)) as connection:
        (day,) = connection.execute("SELECT day FROM visits WHERE id = 4990").fetchone()
        try:
            connection.execute("UPDATE visits SET day = '2024-03-1x' WHERE id = 4990")
            connection.commit()
            answer = custom.api.get(
                "/reports", params={"report": "visits", "from": "2024-02-01", "to": "2024-03-31"}
            )
        finally:
            connection.execute("UPDATE visits SET day = ? WHERE id = 4990", [day])
            connection.commit()
    assert answer.status_code == 500
    assert answer.json()["detail"] == "A row contains a value that cannot be written to the file."
