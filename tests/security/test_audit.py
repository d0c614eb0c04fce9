"""Test that the audit log records who did what, when, from where, for which rows and with what outcome."""

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.access.api_keys import KeyFile
from tests.support.caller_model import UNKNOWN, send
from tests.support.export_client import EMPTY_SURVEY, Session, follow
from tests.support.extra_processes import ExtraProcesses
from tests.support.webhook_receiver import Receiver

REQUEST: dict[str, Any] = {"surveyId": EMPTY_SURVEY, "from": "2025-1-1", "to": "2025-1-2"}
SCHEDULE: dict[str, Any] = {
    "name": "Yearly",
    "recurrence": {"cron": "0 0 29 2 *"},
    "range": {"kind": "absolute", "from": "2025-1-1", "to": "2025-1-2"},
    "export": {"surveyId": EMPTY_SURVEY},
}
HUSH = "/hush-in-the-path?token=hush-in-the-query"
TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class AuditedCaller:
    """A new caller with one key, and the audit log that records the caller's actions."""

    name: str
    token: str
    http: httpx.Client
    log: ExtraProcesses

    def lines(self, count: int, of: str = "") -> list[dict[str, Any]]:
        """Wait for `count` lines about the caller and return them.

        The lines are about keys if `of` is `keys`. Otherwise, they are about exports and schedules.
        """
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while len(lines := self._lines(of)) < count:
            assert time.monotonic() < deadline, lines
            time.sleep(0.05)
        assert len(lines) == count, lines
        return lines

    def _lines(self, of: str) -> list[dict[str, Any]]:
        own = [line for line in audit_lines(self.log) if line.get("caller") == self.name]
        return [line for line in own if line["action"].startswith("key.") == (of == "keys")]


def audit_lines(log: ExtraProcesses) -> list[dict[str, Any]]:
    text = log.output(log.api_process)
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in lines if line["logger"] == "report_exports.audit"]


@pytest.fixture
def caller(guarded_api: tuple[str, ExtraProcesses], guarded_keys: Path) -> Iterator[AuditedCaller]:
    url, processes = guarded_api
    unknown = {"Authorization": f"Bearer rex_{'0' * 8}_{'0' * 43}"}
    httpx.get(f"{url}/limits", headers=unknown, trust_env=False)  # makes the API read the key file
    name = f"caller-{secrets.token_hex(6)}"
    token = KeyFile(guarded_keys).create(name, None, datetime.now(UTC), allow={"surveyId": [EMPTY_SURVEY]})
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
        http.get("/limits").raise_for_status()
        yield AuditedCaller(name, token, http, processes)


def test_every_action_on_an_export_is_one_line(caller: AuditedCaller) -> None:
    http = caller.http
    export_id = send(http, "POST", "/exports", json=REQUEST).json()["id"]
    path = f"/exports/{export_id}"
    session = Session(export_id)
    follow(http, session)
    http.get(path).raise_for_status()
    assert http.get(f"{path}/download").status_code == 303
    assert http.post(f"{path}/cancel").status_code == 409
    assert http.delete(path).status_code == 204
    assert http.delete(path).status_code == 404
    assert http.post("/exports", json=REQUEST | {"surveyId": "0" * 24}).status_code == 422
    http.post("/exports/dry-run", json=REQUEST).raise_for_status()
    lines = caller.lines(8)
    assert [(line["action"], line["outcome"], line["status"]) for line in lines] == [
        ("export.start", "done", 202),
        ("export.link", "done", 200),
        ("export.link", "done", 200),
        ("export.download", "done", 303),
        ("export.cancel", "refused", 409),
        ("export.delete", "done", 204),
        ("export.delete", "refused", 404),
        ("export.start", "refused", 422),
    ]
    about_the_export = [line for line in lines if "job" in line and line["action"] != "export.link"]
    assert {line["job"] for line in about_the_export} == {export_id}
    assert all(line["export"] == REQUEST for line in about_the_export)
    assert [line["jobs"] for line in lines if line["action"] == "export.link"] == [[export_id]] * 2
    for line in lines:
        assert line["key"] == caller.token[4:12]
        assert line["claims"] == {"surveyId": [EMPTY_SURVEY]}
        assert line["from"] == "127.0.0.1"
        assert datetime.fromisoformat(line["time"]).tzinfo is not None
        assert line["request"]


def test_every_change_of_a_schedule_is_one_line(caller: AuditedCaller, receiver: Receiver) -> None:
    http, key = caller.http, {"Idempotency-Key": "one"}
    body = SCHEDULE | {"notify": [{"kind": "webhook", "url": receiver.url(HUSH), "on": ["error"]}]}
    schedule_id = send(http, "POST", "/schedules", json=body, headers=key).json()["id"]
    path = f"/schedules/{schedule_id}"
    send(http, "POST", "/schedules", json=body, headers=key)
    send(http, "PATCH", path, json={"enabled": False}).raise_for_status()
    run_id = send(http, "POST", f"{path}/run").json()["id"]
    http.delete(path)
    http.get(path)
    lines = caller.lines(5)
    assert [(line["action"], line["outcome"], line["status"]) for line in lines] == [
        ("schedule.create", "done", 201),
        ("schedule.create", "done", 200),
        ("schedule.change", "done", 200),
        ("schedule.run", "done", 202),
        ("schedule.delete", "done", 204),
    ]
    created, replayed, changed, ran, _ = lines
    assert {line["schedule"] for line in lines} == {schedule_id}
    assert (created.get("replayed"), replayed["replayed"]) == (None, True)
    assert (created["recurrence"]["cron"], created["export"]) == ("0 0 29 2 *", SCHEDULE["export"])
    assert (changed["changed"], changed["enabled"]) == (["enabled"], False)
    assert (ran["job"], ran["export"]["surveyId"]) == (run_id, EMPTY_SURVEY)


def test_requests_without_a_valid_key_are_audited(guarded_api: tuple[str, ExtraProcesses]) -> None:
    url, processes = guarded_api
    agent = secrets.token_hex(8)
    headers = {"Authorization": "Bearer rex_wrong", "X-Request-Id": agent}
    response = httpx.delete(f"{url}/exports/{UNKNOWN}", headers=headers, trust_env=False)
    assert response.status_code == 401
    (line,) = [line for line in audit_lines(processes) if line["request"] == agent]
    assert (line["action"], line["outcome"], line["status"]) == ("export.delete", "refused", 401)
    assert "caller" not in line


def test_changes_of_the_key_file_are_audited(caller: AuditedCaller, guarded_keys: Path) -> None:
    key_id = caller.token[4:12]
    KeyFile(guarded_keys).revoke(key_id)
    assert caller.http.get("/limits").status_code == 401
    added, removed = caller.lines(2, of="keys")
    assert (added["action"], removed["action"]) == ("key.added", "key.removed")
    for line in (added, removed):
        assert (line["key"], line["allow"], line["pii"]) == (key_id, {"surveyId": [EMPTY_SURVEY]}, True)


def test_the_audit_log_contains_no_secret_and_no_signed_link(
    guarded_api: tuple[str, ExtraProcesses], caller: AuditedCaller
) -> None:
    _, processes = guarded_api
    text = json.dumps(audit_lines(processes))
    assert "export.download" in text
    for word in ("X-Amz-", "Signature", "hush-in-the", caller.token[13:], "sha256", "rex_"):
        assert word not in text
