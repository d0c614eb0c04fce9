"""Test that a key limited to one report cannot access its caller's other reports through any route."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.access.api_keys import KeyFile
from tests.support.caller_model import UNKNOWN, comparable, send
from tests.support.export_client import EMPTY_SURVEY, Session, follow
from tests.support.security_table import Tally
from tests.support.webhook_receiver import Receiver

SURVEY: dict[str, Any] = {"surveyId": EMPTY_SURVEY, "from": "2025-1-1", "to": "2025-1-2"}
ORDERS: dict[str, Any] = {"report": "orders", "from": "2024-03-01", "to": "2024-03-01"}
YEARLY: dict[str, Any] = {
    "name": "Yearly",
    "recurrence": {"cron": "0 0 29 2 *"},
    "range": {"kind": "absolute", "from": "2024-03-01", "to": "2024-03-01"},
}
SURVEY_SCHEDULE = YEARLY | {"export": {"surveyId": EMPTY_SURVEY}}
ORDERS_SCHEDULE = YEARLY | {"export": {"report": "orders"}}
ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/exports/{export}", None),
    ("GET", "/exports/{export}/download", None),
    ("GET", "/exports/{export}/manifest", None),
    ("POST", "/exports/{export}/cancel", None),
    ("POST", "/exports/{export}/retry", None),
    ("DELETE", "/exports/{export}", None),
    ("GET", "/reports/csv?jobId={export}", None),
    ("GET", "/schedules/{schedule}", None),
    ("GET", "/schedules/{schedule}/runs", None),
    ("GET", "/schedules/{schedule}/deliveries", None),
    ("POST", "/schedules/{schedule}/run", None),
    ("PATCH", "/schedules/{schedule}", {"enabled": False}),
    ("PATCH", "/schedules/{schedule}", {"name": "mine"}),
    ("PATCH", "/schedules/{schedule}", {"export": {"surveyId": EMPTY_SURVEY}}),
    ("DELETE", "/schedules/{schedule}", None),
]
Clients = tuple[httpx.Client, httpx.Client]


@pytest.fixture(scope="module")
def clients(guarded_url: str, guarded_keys: Path) -> Iterator[Clients]:
    """Yield two clients whose keys belong to one caller. The second key is limited to survey-responses."""
    file, caller = KeyFile(guarded_keys), f"caller-{secrets.token_hex(6)}"

    def client(reports: list[str] | None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {file.create(caller, reports, datetime.now(UTC))}"}
        return httpx.Client(base_url=guarded_url, headers=headers, timeout=30, trust_env=False)

    with client(None) as unlimited, client(["survey-responses"]) as limited:
        yield unlimited, limited


@pytest.fixture(scope="module")
def hidden(clients: Clients) -> Iterator[dict[str, str]]:
    """Create an export and a schedule for the orders report, which the limited key cannot access."""
    unlimited, _ = clients
    export_id = start(unlimited, "/exports", ORDERS)
    follow(unlimited, Session(export_id))
    schedule_id = start(unlimited, "/schedules", ORDERS_SCHEDULE)
    yield {"export": export_id, "schedule": schedule_id}
    unlimited.delete(f"/schedules/{schedule_id}")


def start(client: httpx.Client, path: str, body: Any = None, **headers: str) -> str:
    response = send(client, "POST", path, json=body, headers=headers)
    assert response.is_success, response.text
    return str(response.json()["id"])


def ids(client: httpx.Client, path: str) -> set[str]:
    return {item["id"] for item in client.get(path).raise_for_status().json()["items"]}


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_what_a_key_does_not_cover_answers_as_unknown(
    clients: Clients, hidden: dict[str, str], method: str, path: str, body: Any, tally: Tally
) -> None:
    _, limited = clients
    response = limited.request(method, path.format(**hidden), json=body)
    unknown = limited.request(method, path.format(export=UNKNOWN, schedule=UNKNOWN), json=body)
    assert response.status_code == 404
    assert comparable(response) == comparable(unknown)
    tally.add(1)


def test_lists_leave_out_what_a_key_does_not_cover(
    clients: Clients, hidden: dict[str, str], tally: Tally
) -> None:
    unlimited, limited = clients
    assert hidden["export"] in ids(unlimited, "/exports")
    assert hidden["export"] not in ids(limited, "/exports")
    assert hidden["schedule"] in ids(unlimited, "/schedules")
    assert hidden["schedule"] not in ids(limited, "/schedules")
    tally.add(2)


def test_a_changed_schedule_hides_the_runs_and_deliveries_of_its_earlier_report(
    clients: Clients, receiver: Receiver
) -> None:
    unlimited, limited = clients
    notify = [{"kind": "webhook", "url": receiver.url(f"/{secrets.token_hex(8)}"), "on": ["done"]}]
    schedule_id = start(unlimited, "/schedules", ORDERS_SCHEDULE | {"notify": notify})
    run_id = start(unlimited, f"/schedules/{schedule_id}/run", **{"Idempotency-Key": "run"})
    follow(unlimited, Session(run_id))
    try:
        changed = unlimited.patch(f"/schedules/{schedule_id}", json={"export": {"surveyId": EMPTY_SURVEY}})
        assert changed.status_code == 200
        paths = [f"/schedules/{schedule_id}/runs", f"/exports?scheduleId={schedule_id}"]
        assert [ids(unlimited, path) for path in paths] == [{run_id}, {run_id}]
        assert [ids(limited, path) for path in paths] == [set(), set()]
        assert wait_for_delivery(unlimited, schedule_id) == run_id
        deliveries = limited.get(f"/schedules/{schedule_id}/deliveries").raise_for_status().json()
        assert deliveries == {"items": [], "nextCursor": None}
        # The limited key now covers the schedule. Even so, reusing the Idempotency-Key must start a new run.
        own_id = start(limited, f"/schedules/{schedule_id}/run", **{"Idempotency-Key": "run"})
        assert own_id != run_id
        assert [ids(limited, path) for path in paths] == [{own_id}, {own_id}]
    finally:
        unlimited.delete(f"/schedules/{schedule_id}")


def wait_for_delivery(client: httpx.Client, schedule_id: str) -> str:
    for _ in range(200):
        if items := client.get(f"/schedules/{schedule_id}/deliveries").raise_for_status().json()["items"]:
            return str(items[0]["exportId"])
    raise AssertionError("no webhook was delivered")


@pytest.mark.parametrize(
    ("path", "foreign", "own"),
    [("/exports", ORDERS, SURVEY), ("/schedules", ORDERS_SCHEDULE, SURVEY_SCHEDULE)],
)
def test_an_idempotency_key_of_another_key_is_free(
    clients: Clients, path: str, foreign: Any, own: Any
) -> None:
    unlimited, limited = clients
    key = {"Idempotency-Key": secrets.token_hex(8)}
    foreign_id = start(unlimited, path, foreign, **key)
    own_id = start(limited, path, own, **key)
    assert own_id != foreign_id
    assert start(limited, path, own, **key) == own_id
    assert start(unlimited, path, foreign, **key) == foreign_id


def test_an_idempotency_key_does_not_lead_to_a_schedule_that_was_changed(clients: Clients) -> None:
    unlimited, limited = clients
    key = {"Idempotency-Key": secrets.token_hex(8)}
    schedule_id = start(limited, "/schedules", SURVEY_SCHEDULE, **key)
    unlimited.patch(f"/schedules/{schedule_id}", json={"export": {"report": "orders"}}).raise_for_status()
    response = limited.post("/schedules", json=SURVEY_SCHEDULE, headers=key)
    assert response.status_code == 422
    assert schedule_id not in response.text
