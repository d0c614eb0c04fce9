"""Test that a key limited to one survey cannot access other surveys over HTTP."""

import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.access.api_keys import KeyFile
from tests.support.caller_model import UNKNOWN, comparable, send
from tests.support.export_client import EMPTY_SURVEY, ONE_ROW_SURVEY, Session, follow
from tests.support.schedules import deployment_of
from tests.support.security_table import Tally

OWN, FOREIGN, NONE = EMPTY_SURVEY, ONE_ROW_SURVEY, "0" * 24
DAYS = {"from": "2024-09-24", "to": "2024-09-24"}
YEARLY: dict[str, Any] = {
    "name": "Yearly",
    "recurrence": {"cron": "0 0 29 2 *"},
    "range": {"kind": "absolute", **DAYS},
}
REQUESTS = ["/exports", "/exports/dry-run", "/reports/csv", "/schedules", "/schedules/preview"]
TIMEOUT_SECONDS = 60
Clients = tuple[httpx.Client, httpx.Client]


def body_for(path: str, survey: str) -> dict[str, Any]:
    if path.startswith("/schedules"):
        return YEARLY | {"export": {"surveyId": survey}}
    return {"surveyId": survey, **DAYS}


@pytest.fixture(scope="module")
def clients(guarded_url: str, guarded_keys: Path) -> Iterator[Clients]:
    """Yield two clients whose keys belong to one caller. The second key is limited to one survey."""
    file, caller = KeyFile(guarded_keys), f"caller-{secrets.token_hex(6)}"

    def client(allow: dict[str, list[str]] | None) -> httpx.Client:
        token = file.create(caller, None, datetime.now(UTC), allow=allow)
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=guarded_url, headers=headers, timeout=30, trust_env=False)

    with client(None) as unlimited, client({"surveyId": [OWN]}) as limited:
        yield unlimited, limited


def start(client: httpx.Client, path: str, survey: str) -> str:
    response = send(client, "POST", path, json=body_for(path, survey))
    assert response.is_success, response.text
    return str(response.json()["id"])


@pytest.fixture(scope="module")
def exports(clients: Clients) -> dict[str, str]:
    """Export each survey with the unlimited key and return the ids of the exports."""
    unlimited, _ = clients
    ids = {survey: start(unlimited, "/exports", survey) for survey in (OWN, FOREIGN)}
    follow(unlimited, *map(Session, ids.values()))
    return ids


@pytest.mark.parametrize("path", REQUESTS)
def test_a_foreign_survey_answers_as_an_unknown_one(clients: Clients, path: str, tally: Tally) -> None:
    _, limited = clients
    foreign, unknown = (
        send(limited, "POST", path, json=body_for(path, survey)) for survey in (FOREIGN, NONE)
    )
    assert foreign.status_code == 422
    assert comparable(foreign) == comparable(unknown)
    tally.add(1)


def test_the_table_and_the_choices_show_the_own_survey_only(clients: Clients, tally: Tally) -> None:
    _, limited = clients
    foreign, unknown, own = (
        limited.get("/reports", params={"surveyId": survey, **DAYS}) for survey in (FOREIGN, NONE, OWN)
    )
    assert comparable(foreign) == comparable(unknown)
    assert own.status_code == 200
    choices = "/report-types/survey-responses/choices/surveyId"
    assert [item["value"] for item in limited.get(choices).json()["items"]] == [OWN]
    assert limited.get(choices, params={"search": FOREIGN}).json()["items"] == []
    tally.add(3)


@pytest.mark.parametrize("path", ["", "/download", "/manifest"])
def test_an_export_of_a_foreign_survey_is_unknown(
    clients: Clients, exports: dict[str, str], path: str, tally: Tally
) -> None:
    _, limited = clients
    foreign, unknown = (limited.get(f"/exports/{id_}{path}") for id_ in (exports[FOREIGN], UNKNOWN))
    assert foreign.status_code == 404
    assert comparable(foreign) == comparable(unknown)
    tally.add(1)
    assert limited.get(f"/exports/{exports[OWN]}{path}").status_code in (200, 303)


def test_lists_and_polls_hide_exports_of_a_foreign_survey(
    clients: Clients, exports: dict[str, str], tally: Tally
) -> None:
    _, limited = clients
    listed = {item["id"] for item in limited.get("/exports").raise_for_status().json()["items"]}
    assert exports[OWN] in listed
    assert exports[FOREIGN] not in listed
    polls = {survey: limited.get("/reports/csv", params={"jobId": id_}) for survey, id_ in exports.items()}
    assert (polls[OWN].status_code, polls[FOREIGN].status_code) == (200, 404)
    tally.add(2)


def test_a_retry_by_the_limited_key_reads_the_own_survey(clients: Clients, exports: dict[str, str]) -> None:
    _, limited = clients
    response = send(limited, "POST", f"/exports/{exports[OWN]}/retry")
    session = Session(response.raise_for_status().json()["id"])
    follow(limited, session)
    assert session.data["status"] == "done"
    assert send(limited, "POST", f"/exports/{exports[FOREIGN]}/retry").status_code == 404


def test_a_schedule_keeps_the_rows_of_the_key_that_created_it(clients: Clients) -> None:
    unlimited, limited = clients
    schedule_id = start(limited, "/schedules", OWN)
    path = f"/schedules/{schedule_id}"
    try:
        widened = unlimited.patch(path, json={"export": {"surveyId": FOREIGN}})
        assert widened.status_code == 422
        assert widened.json()["errors"][0]["pointer"] == "/export/surveyId"
        assert unlimited.patch(path, json={"export": {"surveyId": OWN, "sort": "id"}}).status_code == 200
        session = Session(send(unlimited, "POST", f"{path}/run").raise_for_status().json()["id"])
        follow(limited, session)
        assert session.data["status"] == "done"
    finally:
        unlimited.delete(path)


def test_a_schedule_of_a_foreign_survey_is_unknown(clients: Clients, tally: Tally) -> None:
    unlimited, limited = clients
    schedule_id = start(unlimited, "/schedules", FOREIGN)
    try:
        assert limited.get(f"/schedules/{schedule_id}").status_code == 404
        listed = {item["id"] for item in limited.get("/schedules").raise_for_status().json()["items"]}
        assert schedule_id not in listed
        tally.add(2)
    finally:
        unlimited.delete(f"/schedules/{schedule_id}")


def test_a_right_that_is_gone_pauses_the_schedule_at_once(clients: Clients, prefect: httpx.Client) -> None:
    unlimited, limited = clients
    schedule_id = start(limited, "/schedules", OWN)
    _take_right_away(prefect, schedule_id)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while (state := unlimited.get(f"/schedules/{schedule_id}").raise_for_status().json())["enabled"]:
        assert time.monotonic() < deadline, state
        time.sleep(0.2)
    reason = state["pausedReason"]
    assert (reason["code"], reason["failures"], reason["error"]["code"]) == ("rights", 1, "rights.gone")
    assert "has been revoked" in reason["detail"]
    failed = unlimited.get(f"/exports/{reason['exportId']}").raise_for_status().json()
    assert (failed["status"], failed["file"], failed["error"]["code"]) == ("error", None, "rights.gone")
    unlimited.delete(f"/schedules/{schedule_id}")


def _take_right_away(prefect: httpx.Client, schedule_id: str) -> None:
    """Remove the survey from the schedule's stored rights, and make the schedule run within two seconds."""
    deployment = deployment_of(prefect, schedule_id)
    rights = {"claims": {"surveyId": [FOREIGN]}, "fromKey": True}
    url = f"/deployments/{deployment['id']}"
    prefect.patch(url, json={"parameters": {**deployment["parameters"], "rights": rights}}).raise_for_status()
    rule = f"DTSTART:{datetime.now(UTC):%Y%m%dT%H%M%S}\nRRULE:FREQ=SECONDLY;INTERVAL=2;COUNT=2"
    schedule = {"schedule": {"rrule": rule, "timezone": "UTC"}}
    prefect.patch(f"{url}/schedules/{deployment['schedules'][0]['id']}", json=schedule).raise_for_status()
    prefect.post(f"{url}/schedule", json={}).raise_for_status()
