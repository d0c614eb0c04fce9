"""Who may not see what is about a person sees masks: in the table, the preview and the file alike."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from flows.query.masking import masked
from flows.query.request import parse_request
from flows.reports import catalog
from flows.sources.snapshot import open_engine
from tests.acceptance.test_callers import OF_ONE, client_of
from tests.acceptance.test_run_page import artifacts_of
from tests.support import csv_reader
from tests.support.engines import copied, framed
from tests.support.export_client import SURVEY, Session, follow
from tests.support.extra_processes import extra_processes
from tests.support.running_stack import Stack

DAY = {"surveyId": SURVEY, "from": "2024-8-1", "to": "2024-8-1"}
ORDERS = {"report": "orders", "from": "2024-03-01", "to": "2024-03-01"}
MASKED = {"Name", "E-mail"}
SECRETS = """
    SELECT respondent_name, respondent_email FROM survey_responses
    WHERE survey_id = %s AND submitted_at >= '2024-08-01 00:00Z' AND submitted_at < '2024-08-02 00:00Z'
"""


@pytest.fixture(scope="module")
def both(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """One caller with two keys: with the right to see all, and without."""
    keys: Path = tmp_path_factory.mktemp("keys") / "keys.json"
    with extra_processes(stack) as others:
        url = others.start_api(REPORTS_KEYS_FILE=str(keys))
        with client_of(url, keys, "eve") as full, client_of(url, keys, "eve", pii=False) as without:
            yield full, without


@pytest.fixture(scope="module")
def full(both: tuple[httpx.Client, httpx.Client]) -> httpx.Client:
    return both[0]


@pytest.fixture(scope="module")
def without(both: tuple[httpx.Client, httpx.Client]) -> httpx.Client:
    return both[1]


@pytest.fixture(scope="module")
def secrets(stack: Stack) -> set[str]:
    with psycopg.connect(stack.libpq_url) as connection:
        found = connection.execute(SECRETS, [SURVEY]).fetchall()
    return {text for row in found for text in row if text is not None}


@pytest.fixture(scope="module")
def exports(full: httpx.Client, without: httpx.Client) -> dict[str, Session]:
    """The same request with either key, at the same time."""
    clients = {"full": full, "without": without}
    found = {
        name: Session(client.post("/exports", json=DAY).raise_for_status().json()["id"])
        for name, client in clients.items()
    }
    for name, session in found.items():
        follow(clients[name], session)
    return found


def shown(page: dict[str, Any], rows: str) -> list[list[Any]]:
    keys = [column["key"] for column in page["columns"]]
    return [[None if row[key] is None else str(row[key]) for key in keys] for row in page[rows]]


def test_texts_are_stars_and_nothing_stays_nothing(exports: dict[str, Session]) -> None:
    names, plain = csv_reader.read(exports["full"].file())
    same_names, hidden = csv_reader.read(exports["without"].file())
    assert names == same_names
    assert len(plain) == len(hidden) > 50
    nulls = 0
    for row, masks in zip(plain, hidden, strict=True):
        for name, cell, mask in zip(names, row, masks, strict=True):
            nulls += name in MASKED and cell is None
            assert mask == (cell if name not in MASKED or cell is None else "***")
    assert nulls


def test_the_file_is_the_table_and_the_preview(without: httpx.Client, exports: dict[str, Session]) -> None:
    query = {**DAY, "pageSize": "200"}
    table = shown(without.get("/reports", params=query).raise_for_status().json(), "items")
    preview = without.post("/exports", params={"dryRun": "true"}, json=DAY).raise_for_status().json()
    _, rows = csv_reader.read(exports["without"].file())
    lower = [[cell and cell.lower() if cell in ("True", "False") else cell for cell in row] for row in table]
    assert lower == rows[:200]
    assert shown(preview, "sample") == table[:20]


def test_no_secret_is_in_the_file_the_manifest_or_prefect(
    without: httpx.Client, prefect: httpx.Client, exports: dict[str, Session], secrets: set[str]
) -> None:
    session = exports["without"]
    file = exports["full"].file().decode()
    assert len(secrets) > 50
    assert all(secret in file for secret in secrets), "the canary sings"
    seen = [
        session.file().decode(),
        without.get(f"/exports/{session.id}").text,
        without.get(f"/exports/{session.id}/manifest").text,
        str(artifacts_of(prefect, session.id)),
        prefect.get(f"/flow_runs/{session.id}").text,
        without.get("/reports", params={**DAY, "pageSize": "200"}).text,
        without.get("/reports", params={**DAY, "pageSize": "1", "sort": "-country"}).text,
    ]
    assert [secret for secret in secrets for text in seen if secret in text] == []


@pytest.mark.parametrize("body", [DAY, ORDERS], ids=["survey-responses", "orders"])
def test_both_engines_write_the_same_masks(stack: Stack, body: dict[str, Any]) -> None:
    request = parse_request(body, masked(catalog()))
    engine = open_engine(stack.database_url, 5)
    try:
        assert copied(engine, request) == framed(engine, request)
        assert b"***" in copied(engine, request)
    finally:
        engine.dispose()


def test_the_catalog_says_what_is_masked(full: httpx.Client, without: httpx.Client) -> None:
    def column(client: httpx.Client) -> dict[str, Any]:
        found = client.get("/report-types/orders").raise_for_status().json()["columns"]
        return next(dict(each) for each in found if each["key"] == "customer")

    customer = {"key": "customer", "label": "Customer", "type": "string", "pii": True}
    assert column(full) == {**customer, "masked": False, "sortable": True}
    assert column(without) == {**customer, "masked": True, "sortable": False}


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"sort": "respondentEmail"}, "/sort"),
        ({"sort": "country,-respondentName"}, "/sort"),
        ({"filters": {"respondentEmail": "a"}}, "/filters/respondentEmail"),
        ({"mask_pii": False}, "/mask_pii"),
        ({"masked": False}, "/masked"),
    ],
)
def test_nothing_masked_can_be_searched_or_asked_for(
    without: httpx.Client, more: dict[str, Any], pointer: str
) -> None:
    for path in ("/exports", "/reports/csv", "/exports?dryRun=true"):
        answer = without.post(path, json={**DAY, **more})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    if "sort" in more:
        assert without.get("/reports", params={**DAY, **more}).status_code == 422


@pytest.mark.parametrize(("method", "path"), OF_ONE)
def test_what_was_made_without_masks_does_not_exist_for_who_may_not_see_it(
    without: httpx.Client, exports: dict[str, Session], method: str, path: str
) -> None:
    assert without.request(method, f"/exports/{exports['full'].id}{path}").status_code == 404


def test_lists_and_polls_keep_to_that_too(
    full: httpx.Client, without: httpx.Client, exports: dict[str, Session]
) -> None:
    plain, hidden = exports["full"].id, exports["without"].id
    assert plain != hidden
    assert without.get("/reports/csv", params={"jobId": plain}).status_code == 404
    assert plain not in [each["id"] for each in without.get("/exports").json()["items"]]
    assert {plain, hidden} <= {each["id"] for each in full.get("/exports").json()["items"]}


def test_one_key_of_the_header_is_not_both_requests(full: httpx.Client, without: httpx.Client) -> None:
    headers = {"Idempotency-Key": "with and without".replace(" ", "-")}
    assert full.post("/exports", json=ORDERS, headers=headers).status_code == 202
    assert without.post("/exports", json=ORDERS, headers=headers).status_code == 422


def test_a_retry_keeps_to_the_right_of_who_asks_for_it(
    full: httpx.Client, exports: dict[str, Session]
) -> None:
    again = full.post(f"/exports/{exports['without'].id}/retry").raise_for_status().json()["id"]
    session = Session(again)
    follow(full, session)
    assert session.file() == exports["full"].file()


def test_a_recurring_export_keeps_the_right_of_who_made_it(
    full: httpx.Client, without: httpx.Client, exports: dict[str, Session]
) -> None:
    body = {
        "name": "Daily",
        "recurrence": {"cron": "0 9 1 1 *"},
        "range": {"kind": "absolute", "from": DAY["from"], "to": DAY["to"]},
        "export": {"surveyId": SURVEY},
    }
    theirs = without.post("/schedules", json=body).raise_for_status().json()["id"]
    plain = full.post("/schedules", json=body).raise_for_status().json()["id"]
    try:
        assert without.get(f"/schedules/{plain}").status_code == 404
        assert [each["id"] for each in without.get("/schedules").json()["items"]] == [theirs]
        changed = full.patch(
            f"/schedules/{theirs}", json={"export": {"surveyId": SURVEY, "sort": "respondentName"}}
        )
        assert changed.status_code == 422
        full.patch(
            f"/schedules/{theirs}", json={"export": {"surveyId": SURVEY, "sort": "submittedAt"}}
        ).raise_for_status()
        session = Session(full.post(f"/schedules/{theirs}/run").raise_for_status().json()["id"])
        follow(full, session)
        assert session.file() == exports["without"].file()
    finally:
        for each in (theirs, plain):
            full.delete(f"/schedules/{each}")
