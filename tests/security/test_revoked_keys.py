"""Test that a schedule is paused after the API key that created it has been revoked."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from api.access.api_keys import KeyFile
from tests.support.caller_model import send
from tests.support.export_client import EMPTY_SURVEY
from tests.support.extra_processes import ExtraProcesses, create_pool
from tests.support.schedules import deployment_of
from tests.support.security_table import Tally
from tests.support.webhook_receiver import Receiver

POOL = "revoked-keys"  # this pool has no worker, so the test decides when a run starts
ALLOW = {"surveyId": [EMPTY_SURVEY]}
RUN_TIMEOUT_SECONDS = 90
BODY: dict[str, Any] = {
    "name": "Yearly",
    "recurrence": {"cron": "0 0 29 2 *"},
    "range": {"kind": "absolute", "from": "2025-01-01", "to": "2025-01-02"},
    "export": {"surveyId": EMPTY_SURVEY},
}


@contextmanager
def client_with_new_key(url: str, keys: Path, caller: str) -> Iterator[tuple[str, httpx.Client]]:
    token = KeyFile(keys).create(caller, None, datetime.now(UTC), allow=ALLOW)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as client:
        yield token[4:12], client


def planned_runs(prefect: httpx.Client, schedule_id: str) -> list[str]:
    """Plan two runs of the schedule in a pool that has no worker, and return the ids of the runs."""
    deployment = deployment_of(prefect, schedule_id)
    path = f"/deployments/{deployment['id']}"
    prefect.patch(path, json={"work_pool_name": POOL}).raise_for_status()
    later = datetime.now(UTC) + timedelta(hours=1)
    rule = f"DTSTART:{later:%Y%m%dT%H%M%S}\nRRULE:FREQ=HOURLY;COUNT=2"
    schedule = {"schedule": {"rrule": rule, "timezone": "UTC"}}
    prefect.patch(f"{path}/schedules/{deployment['schedules'][0]['id']}", json=schedule).raise_for_status()
    prefect.post(f"{path}/schedule", json={}).raise_for_status()
    selected = {"deployments": {"id": {"any_": [deployment["id"]]}}, "sort": "EXPECTED_START_TIME_ASC"}
    runs = prefect.post("/flow_runs/filter", json=selected).raise_for_status().json()
    return [run["id"] for run in runs]


def make_due(prefect: httpx.Client, run_id: str) -> None:
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": datetime.now(UTC).isoformat()}}
    body = {"state": state, "force": True}
    prefect.post(f"/flow_runs/{run_id}/set_state", json=body).raise_for_status()


def run(processes: ExtraProcesses, run_id: str, keys: Path, receiver: Receiver) -> str:
    """Execute a planned run in a child process that uses the key file, and return the process's output."""
    settings = receiver.settings | {"REPORTS_KEYS_FILE": str(keys), "REPORTS_LOG_FORMAT": "json"}
    process = processes.start("-m", "prefect.engine", run_id, **settings)
    process.wait(RUN_TIMEOUT_SECONDS)
    return processes.output(process)


def test_a_revoked_key_pauses_its_schedule_and_the_reason_is_visible(
    guarded_api: tuple[str, ExtraProcesses],
    guarded_keys: Path,
    prefect: httpx.Client,
    receiver: Receiver,
    tally: Tally,
) -> None:
    url, processes = guarded_api
    caller, path = f"caller-{secrets.token_hex(6)}", f"/{secrets.token_hex(8)}"
    body = BODY | {"notify": [{"kind": "webhook", "url": receiver.url(path)}]}
    create_pool(prefect, POOL, "process")
    with client_with_new_key(url, guarded_keys, caller) as (key_id, client):
        schedule_id = send(client, "POST", "/schedules", json=body).raise_for_status().json()["id"]
        first, second = planned_runs(prefect, schedule_id)
        make_due(prefect, first)
        run(processes, first, guarded_keys, receiver)
        assert client.get(f"/exports/{first}").raise_for_status().json()["status"] == "done"
        KeyFile(guarded_keys).revoke(key_id)
        make_due(prefect, second)
        output = run(processes, second, guarded_keys, receiver)
        assert client.get(f"/schedules/{schedule_id}").status_code == 401
    with client_with_new_key(url, guarded_keys, caller) as (_, client):
        secret = client.get("/webhook-secret").raise_for_status().json()["secret"]
        messages = receiver.wait_for_type(path, secret, "schedule.paused")
        schedule = client.get(f"/schedules/{schedule_id}").raise_for_status().json()
        failed = client.get(f"/exports/{second}").raise_for_status().json()
        client.delete(f"/schedules/{schedule_id}").raise_for_status()
    reason = schedule["pausedReason"]
    assert (schedule["enabled"], reason["code"], reason["exportId"]) == (False, "rights", second)
    assert "has been revoked" in reason["detail"]
    assert (failed["status"], failed["file"], failed["error"]["code"]) == ("error", None, "rights.gone")
    assert [message["type"] for message in messages].count("schedule.paused") == 1
    assert '"schedule.pause' in output
    tally.add(2)
