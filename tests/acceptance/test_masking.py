"""Test that personal data is masked for callers without access to it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from flows.query.masking import mask_reports
from flows.query.request import parse_request
from flows.reports import catalog
from flows.sources.snapshot import open_engine
from tests.acceptance.test_callers import EXPORT_ROUTES, client_of
from tests.acceptance.test_run_page import artifacts_of
from tests.support import csv_reader
from tests.support.engines import file_by_copy, file_by_sqlalchemy
from tests.support.export_client import SURVEY, Session, follow
from tests.support.running_stack import Stack

DAY = {"surveyId": SURVEY, "from": "2024-8-1", "to": "2024-8-1"}
ORDERS = {"report": "orders", "from": "2024-03-01", "to": "2024-03-01"}
MASKED = {"Name", "E-mail"}
SECRETS = """
    SELECT respondent_name, respondent_email FROM survey_responses
    WHERE survey_id = %s AND submitted_at >= '2024-08-01 00:00Z' AND submitted_at < '2024-08-02 00:00Z'
"""


@pytest.fixture(scope="module")
def unmasked_client(guarded_url: str, guarded_keys: Path) -> Iterator[httpx.Client]:
    """Yield a client whose key gives access to personal data."""
    with client_of(guarded_url, guarded_keys, "grace") as client:
        yield client


@pytest.fixture(scope="module")
def masked_client(guarded_url: str, guarded_keys: Path) -> Iterator[httpx.Client]:
    """Yield a client whose key belongs to the same caller but gives no access to personal data."""
    with client_of(guarded_url, guarded_keys, "grace", pii=False) as client:
        yield client


@pytest.fixture(scope="module")
def secrets(stack: Stack) -> set[str]:
    with psycopg.connect(stack.libpq_url) as connection:
        rows = connection.execute(SECRETS, [SURVEY]).fetchall()
    return {text for row in rows for text in row if text is not None}


@pytest.fixture(scope="module")
def exports(unmasked_client: httpx.Client, masked_client: httpx.Client) -> dict[str, Session]:
    """Run the same export with both clients and return the finished exports."""
    clients = {"unmasked": unmasked_client, "masked": masked_client}
    sessions = {
        name: Session(client.post("/exports", json=DAY).raise_for_status().json()["id"])
        for name, client in clients.items()
    }
    for name, session in sessions.items():
        follow(clients[name], session)
    return sessions


def as_rows(page: dict[str, Any], rows: str) -> list[list[Any]]:
    keys = [column["key"] for column in page["columns"]]
    return [[None if row[key] is None else str(row[key]) for key in keys] for row in page[rows]]


def test_texts_become_stars_and_nulls_stay_nulls(exports: dict[str, Session]) -> None:
    names, plain = csv_reader.read(exports["unmasked"].file())
    same_names, hidden = csv_reader.read(exports["masked"].file())
    assert names == same_names
    assert len(plain) == len(hidden) > 50
    nulls = 0
    for row, masks in zip(plain, hidden, strict=True):
        for name, cell, mask in zip(names, row, masks, strict=True):
            nulls += name in MASKED and cell is None
            assert mask == (cell if name not in MASKED or cell is None else "***")
    assert nulls


def test_table_preview_and_file_show_the_same_masked_rows(
    masked_client: httpx.Client, exports: dict[str, Session]
) -> None:
    query = {**DAY, "pageSize": "200"}
    table = as_rows(masked_client.get("/reports", params=query).raise_for_status().json(), "items")
    preview = masked_client.post("/exports", params={"dryRun": "true"}, json=DAY).raise_for_status().json()
    _, rows = csv_reader.read(exports["masked"].file())
    lower = [[cell and cell.lower() if cell in ("True", "False") else cell for cell in row] for row in table]
    assert lower == rows[:200]
    assert as_rows(preview, "sample") == table[:20]


def test_no_personal_data_is_in_the_file_the_manifest_or_prefect(
    masked_client: httpx.Client, prefect: httpx.Client, exports: dict[str, Session], secrets: set[str]
) -> None:
    session = exports["masked"]
    file = exports["unmasked"].file().decode()
    assert len(secrets) > 50
    assert all(secret in file for secret in secrets), "the unmasked file must contain them"
    texts = [
        session.file().decode(),
        masked_client.get(f"/exports/{session.id}").text,
        masked_client.get(f"/exports/{session.id}/manifest").text,
        str(artifacts_of(prefect, session.id)),
        prefect.get(f"/flow_runs/{session.id}").text,
        masked_client.get("/reports", params={**DAY, "pageSize": "200"}).text,
        masked_client.get("/reports", params={**DAY, "pageSize": "1", "sort": "-country"}).text,
    ]
    assert [secret for secret in secrets for text in texts if secret in text] == []


@pytest.mark.parametrize("body", [DAY, ORDERS], ids=["survey-responses", "orders"])
def test_both_engines_write_the_same_masks(stack: Stack, body: dict[str, Any]) -> None:
    request = parse_request(body, mask_reports(catalog(("flows.samples",))))
    engine = open_engine(stack.database_url, 5)
    try:
        assert file_by_copy(engine, request) == file_by_sqlalchemy(engine, request)
        assert b"***" in file_by_copy(engine, request)
    finally:
        engine.dispose()


def test_the_catalog_marks_masked_columns(unmasked_client: httpx.Client, masked_client: httpx.Client) -> None:
    def customer_column(client: httpx.Client) -> dict[str, Any]:
        columns = client.get("/report-types/orders").raise_for_status().json()["columns"]
        return next(dict(column) for column in columns if column["key"] == "customer")

    customer = {"key": "customer", "label": "Customer", "type": "string", "pii": True}
    assert customer_column(unmasked_client) == {**customer, "masked": False, "sortable": True}
    assert customer_column(masked_client) == {**customer, "masked": True, "sortable": False}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"sort": "respondentEmail"}, "/sort"),
        ({"sort": "country,-respondentName"}, "/sort"),
        ({"filters": {"respondentEmail": "a"}}, "/filters/respondentEmail"),
        ({"mask_pii": False}, "/mask_pii"),
        ({"masked": False}, "/masked"),
    ],
)
def test_masked_columns_cannot_be_sorted_filtered_or_unmasked(
    masked_client: httpx.Client, change: dict[str, Any], pointer: str
) -> None:
    for path in ("/exports", "/reports/csv", "/exports?dryRun=true"):
        answer = masked_client.post(path, json={**DAY, **change})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    if "sort" in change:
        assert masked_client.get("/reports", params={**DAY, **change}).status_code == 422


@pytest.mark.parametrize(("method", "path"), EXPORT_ROUTES)
def test_an_unmasked_export_is_unknown_to_the_masked_key(
    masked_client: httpx.Client, exports: dict[str, Session], method: str, path: str
) -> None:
    assert masked_client.request(method, f"/exports/{exports['unmasked'].id}{path}").status_code == 404


def test_lists_and_polls_hide_unmasked_exports_from_the_masked_key(
    unmasked_client: httpx.Client, masked_client: httpx.Client, exports: dict[str, Session]
) -> None:
    plain, hidden = exports["unmasked"].id, exports["masked"].id
    assert plain != hidden
    assert masked_client.get("/reports/csv", params={"jobId": plain}).status_code == 404
    assert plain not in [item["id"] for item in masked_client.get("/exports").json()["items"]]
    assert {plain, hidden} <= {item["id"] for item in unmasked_client.get("/exports").json()["items"]}


def test_an_idempotency_key_names_a_separate_export_for_each_key(
    unmasked_client: httpx.Client, masked_client: httpx.Client
) -> None:
    headers = {"Idempotency-Key": "one-key"}
    plain, masked = (
        client.post("/exports", json=ORDERS, headers=headers) for client in (unmasked_client, masked_client)
    )
    assert (plain.status_code, masked.status_code) == (202, 202)
    assert plain.json()["id"] != masked.json()["id"]


def test_a_retry_uses_the_access_of_the_retrying_key(
    unmasked_client: httpx.Client, exports: dict[str, Session]
) -> None:
    retry_id = unmasked_client.post(f"/exports/{exports['masked'].id}/retry").raise_for_status().json()["id"]
    session = Session(retry_id)
    follow(unmasked_client, session)
    assert session.file() == exports["unmasked"].file()


def test_a_schedule_keeps_the_access_of_the_key_that_created_it(
    unmasked_client: httpx.Client, masked_client: httpx.Client, exports: dict[str, Session]
) -> None:
    body = {
        "name": "Daily",
        "recurrence": {"cron": "0 9 1 1 *"},
        "range": {"kind": "absolute", "from": DAY["from"], "to": DAY["to"]},
        "export": {"surveyId": SURVEY},
    }
    masked_id = masked_client.post("/schedules", json=body).raise_for_status().json()["id"]
    unmasked_id = unmasked_client.post("/schedules", json=body).raise_for_status().json()["id"]
    try:
        assert masked_client.get(f"/schedules/{unmasked_id}").status_code == 404
        assert [item["id"] for item in masked_client.get("/schedules").json()["items"]] == [masked_id]
        changed = unmasked_client.patch(
            f"/schedules/{masked_id}", json={"export": {"surveyId": SURVEY, "sort": "respondentName"}}
        )
        assert changed.status_code == 422
        unmasked_client.patch(
            f"/schedules/{masked_id}", json={"export": {"surveyId": SURVEY, "sort": "submittedAt"}}
        ).raise_for_status()
        session = Session(unmasked_client.post(f"/schedules/{masked_id}/run").raise_for_status().json()["id"])
        follow(unmasked_client, session)
        assert session.file() == exports["masked"].file()
    finally:
        for schedule_id in (masked_id, unmasked_id):
            unmasked_client.delete(f"/schedules/{schedule_id}")
