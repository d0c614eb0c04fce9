"""Another database, another storage, reports of one's own: SQLite, a folder, REPORTS_CATALOG."""

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

from flows.reports.survey_responses import responses, survey_questions, surveys
from flows.sources.sqlite.adbc_chunks import FROM_ROWS
from flows.storage.folder import FolderStorage
from flows.storage.protocol import content_disposition
from tests.acceptance.custom_reports.visits import visits
from tests.support import csv_reader
from tests.support.export_client import Session, follow, start
from tests.support.extra_processes import create_pool, deploy_export, extra_processes, pool_settings
from tests.support.running_stack import Stack

HOUSE = "tests.acceptance.custom_reports.visits"
POOL = "own-parts"
SURVEY, LARGE_SURVEY = "a" * 24, "b" * 24
LARGE = FROM_ROWS + 10_000
RUN_WITHIN_SECONDS = 60
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
# Each as a row of the table; moments are in UTC, and the last one is the first of February in Tokyo.
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
class Own:
    api: httpx.Client
    folder: Path
    database: Path
    sessions: dict[str, Session]


@pytest.fixture(scope="module")
def own(stack: Stack, prefect: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    """The two exports, made by an API and by runs that have none of the stack's parts but Prefect."""
    home = tmp_path_factory.mktemp("own")
    fill(home / "own.db")
    create_pool(prefect, POOL, "process")
    deploy_export(prefect, POOL, POOL)
    settings = {
        "REPORTS_DATABASE_URL": f"sqlite:///{home / 'own.db'}",
        "REPORTS_STORAGE_URL": f"file://{home / 'files'}",
        "REPORTS_CATALOG": HOUSE,
        **pool_settings(POOL, POOL),
    }
    with extra_processes(stack) as processes:
        address = processes.start_api(**settings)
        with httpx.Client(base_url=address, timeout=30, trust_env=False) as api:
            sessions = {name: start(api, request) for name, request in REQUESTS.items()}
            running = [
                processes.start("-m", "prefect.engine", each.id, REPORTS_PUBLIC_URL=address, **settings)
                for each in sessions.values()
            ]
            for process in running:
                assert process.wait(RUN_WITHIN_SECONDS) == 0, processes.output(process)
            follow(api, *sessions.values())
            yield Own(api, home / "files", home / "own.db", sessions)


def fill(file: Path) -> None:
    """As SQLite keeps them: moments without a zone, by convention in UTC."""
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        for table in (visits, surveys, survey_questions, responses):
            table.create(connection)
        connection.execute(insert(visits), [visit(number) for number in range(1, 5001)])
        for id_, title in ((SURVEY, "One"), (LARGE_SURVEY, "Many")):
            made = {"id": id_, "title": title, "created_at": datetime.fromisoformat("2024-01-01")}
            connection.execute(insert(surveys), made)
            questions = [{**each, "survey_id": id_} for each in QUESTIONS]
            connection.execute(insert(survey_questions), questions)
        for response in RESPONSES:
            connection.execute(insert(responses), {"survey_id": SURVEY, **response})
        connection.execute(insert(responses), [response_of_large(number) for number in range(LARGE)])
    engine.dispose()


def response_of_large(number: int) -> dict[str, Any]:
    """One holds a number where answers belong: SQLite allows that, and there are none then."""
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


def test_a_report_of_ones_own_is_offered_with_the_shipped_ones(own: Own) -> None:
    offered = own.api.get("/report-types").raise_for_status().json()["items"]
    assert {each["name"] for each in offered} == {"survey-responses", "orders", "visits"}
    assert own.api.get("/report-types/visits").json()["title"] == "Visits"
    surveys_there_are = own.api.get(
        "/report-types/survey-responses/choices/surveyId", params={"search": "oN"}
    )
    assert surveys_there_are.json() == {"items": [{"value": SURVEY, "title": "One"}], "more": False}


def test_its_file_is_the_select_with_the_transform(own: Own) -> None:
    names, rows = csv_reader.read(own.sessions["visits"].file())
    with sqlite3.connect(own.database) as connection:
        asked = (
            "SELECT id, path, address, day, bounced FROM visits"
            " WHERE path = '/a' AND day BETWEEN '2024-02-01' AND '2024-03-31' ORDER BY id DESC"
        )
        found = connection.execute(asked).fetchall()
    connection.close()
    said = {0: "false", 1: "true", None: None}
    expected = [
        [str(id_), path, address and address[: address.rindex(".")] + ".0", day, said[bounced]]
        for id_, path, address, day, bounced in found
    ]
    assert names == ["Id", "Path", "IP address", "Day", "Bounced"]
    assert len(expected) > 1000
    assert rows == expected


def test_a_transform_sees_columns_that_the_file_does_not_have(own: Own) -> None:
    names, rows = csv_reader.read(own.sessions["paths"].file())
    assert names == ["Path"]
    assert {len(row) for row in rows} == {1}


def test_the_shipped_report_makes_the_same_bytes_from_sqlite(own: Own) -> None:
    assert own.sessions["survey"].file().decode() == SURVEYS_FILE


def test_many_rows_of_sqlite_are_read_by_two_processes_and_are_all_there(own: Own) -> None:
    names, rows = csv_reader.read(own.sessions["large"].file())
    assert names == SURVEYS_FILE.splitlines()[0].split(",")
    assert len(rows) == LARGE
    assert rows == [row_of_large(number) for number in range(LARGE)]


def row_of_large(number: int) -> list[str | None]:
    """NULL is None, as in a file that was read."""
    made = response_of_large(number)
    answers = made["answers"] if isinstance(made["answers"], dict) else {}
    why, which = answers.get("why"), answers.get("w")
    return [
        str(made["id"]),
        made["submitted_at"].isoformat(timespec="microseconds") + "+00:00",
        "true" if made["is_attended"] else "false",
        made["utm"],
        None,
        None,
        "DE",
        str(made["score"]),
        made["comment"],
        "; ".join(which) if which else None,
        None if why is None else str(why),
    ]


def test_the_receipt_fits_the_file(own: Own) -> None:
    for session in own.sessions.values():
        file = own.api.get(f"/exports/{session.id}").raise_for_status().json()["file"]
        content = session.file()
        assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_folder_holds_the_files_and_nothing_unfinished(own: Own) -> None:
    stored = {str(path.relative_to(own.folder)) for path in own.folder.rglob("*") if path.is_file()}
    kinds = {"visits": "csv", "survey": "csv", "large": "csv", "zipped": "zip", "paths": "csv"}
    assert stored == {".signing-key", *(f"{each.id}/1.{kinds[name]}" for name, each in own.sessions.items())}


def test_the_link_gives_a_csv_file_with_a_name(own: Own) -> None:
    answer = httpx.get(own.sessions["visits"].data["url"], trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    named = 'attachment; filename="visits_2024-02-01_2024-03-31.csv"'
    assert answer.headers["content-disposition"] == named


def test_the_link_to_a_zip_of_several_files_says_so(own: Own) -> None:
    answer = httpx.get(own.sessions["zipped"].data["url"], trust_env=False)
    assert answer.headers["content-type"] == "application/zip"
    named = 'attachment; filename="visits_2024-02-01_2024-03-31.zip"'
    assert answer.headers["content-disposition"] == named
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = archive.namelist()
        rows = [len(archive.read(name).splitlines()) - 1 for name in names]
    assert names == [f"visits_2024-02-01_2024-03-31_{number}.csv" for number in (1, 2, 3)]
    assert rows == [1100, 1100, 800]


def test_a_link_that_was_touched_is_refused(own: Own) -> None:
    url = httpx.URL(own.sessions["visits"].data["url"])
    given = dict(url.params)
    touched = [
        url.copy_with(query=None),
        *(url.copy_remove_param(name) for name in given),
        url.copy_set_param("expires", str(int(given["expires"]) + 1)),
        url.copy_set_param("expires", "never"),
        url.copy_set_param("disposition", "inline"),
        url.copy_set_param("signature", "0" * 64),
        url.copy_set_param("signature", "ü"),
        url.copy_with(path=f"/files/{own.sessions['survey'].id}/1.csv"),
        url.copy_with(path="/files/../.signing-key"),
        url.copy_with(path="/files/%2e%2e/own.db"),
        url.copy_with(path="/files/./.signing-key"),
    ]
    statuses = {str(each): httpx.get(each, trust_env=False).status_code for each in touched}
    assert set(statuses.values()) <= {403, 404}, statuses
    assert list(statuses.values()).count(403) >= 8


def test_a_link_ends_with_its_time(own: Own) -> None:
    storage = FolderStorage(own.folder, str(own.api.base_url).rstrip("/"))
    key, disposition = f"{own.sessions['visits'].id}/1.csv", content_disposition("visits.csv")
    now = datetime.now(UTC)
    living = storage.sign(key, disposition, 60, now)
    dead = storage.sign(key, disposition, 60, now - timedelta(seconds=61))
    assert httpx.get(living.url, trust_env=False).status_code == 200
    assert httpx.get(dead.url, trust_env=False).status_code == 403


def test_the_table_shows_what_the_transform_makes(own: Own) -> None:
    asked = {"report": "visits", "from": "2024-02-01", "to": "2024-03-31", "path": "/a", "pageSize": "200"}
    page = own.api.get("/reports", params=asked).raise_for_status().json()
    addresses = {row["address"] for row in page["items"]} - {None}
    assert len(page["items"]) == 200
    assert addresses
    assert all(address.endswith(".0") for address in addresses)


def test_a_value_that_the_table_cannot_show_is_told(own: Own) -> None:
    """SQLite allows such days."""
    with closing(sqlite3.connect(own.database)) as connection:
        (day,) = connection.execute("SELECT day FROM visits WHERE id = 4990").fetchone()
        try:
            connection.execute("UPDATE visits SET day = '2024-03-1x' WHERE id = 4990")
            connection.commit()
            answer = own.api.get(
                "/reports", params={"report": "visits", "from": "2024-02-01", "to": "2024-03-31"}
            )
        finally:
            connection.execute("UPDATE visits SET day = ? WHERE id = 4990", [day])
            connection.commit()
    assert answer.status_code == 503
    assert answer.json()["detail"] == "A row of the report holds a value that cannot be written."
