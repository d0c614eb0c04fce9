"""Test webhook messages by verifying them with the Standard Webhooks library."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from flows.runs.outcome import CANCELLED, Outcome, job_error
from flows.runs.receipt import Receipt
from flows.webhooks.message import encode_message, export_message, message_id, pause_message, signed_headers
from flows.webhooks.signing_keys import WebhookSecrets

BASE = "https://reports.example.com"
ENDED = datetime(2026, 11, 30, 8, 0, 1, tzinfo=UTC)
JOB, SCHEDULE = "899e1228-d7b8-40fc-8490-70e6f1efb338", "0b52b3f8-1f0e-4c4f-8d4e-3f9f6f4e2a11"
DONE = Outcome(
    job_id=JOB,
    schedule_id=SCHEDULE,
    request={"report": "orders", "name": "Bücher"},
    ended_at=ENDED,
    status="done",
    receipt=Receipt(1, "orders.csv", 2, 30, "ab" * 32, ENDED.isoformat()),
    error=None,
)
FAILED = replace(
    DONE, status="error", receipt=None, error=job_error(JOB, "FAILED", "source.timeout", "Too long.")
)
OLD, NEW = WebhookSecrets(["an old secret of the operator"]), WebhookSecrets(["a new secret of the operator"])


def test_a_done_message_has_the_receipt_and_links_to_the_api() -> None:
    assert export_message(DONE, BASE) == {
        "type": "export.done",
        "timestamp": "2026-11-30T08:00:01+00:00",
        "data": {
            "id": JOB,
            "status": "done",
            "report": "orders",
            "name": "Bücher",
            "scheduleId": SCHEDULE,
            "rows": 2,
            "bytes": 30,
            "sha256": "ab" * 32,
            "error": None,
            "links": {
                "self": f"{BASE}/exports/{JOB}",
                "download": f"{BASE}/exports/{JOB}/download",
                "manifest": f"{BASE}/exports/{JOB}/manifest",
            },
        },
    }


def test_an_error_message_has_the_code_and_no_file() -> None:
    message = export_message(FAILED, BASE)
    assert message["type"] == "export.error"
    assert message["data"]["error"] == {"code": "source.timeout", "message": "Too long."}
    assert (message["data"]["rows"], message["data"]["links"]["download"]) == (None, None)


def test_an_unknown_error_shows_only_the_job_id() -> None:
    unknown = replace(FAILED, error=job_error(JOB, "FAILED", "Failed", "password authentication failed"))
    assert export_message(unknown, BASE)["data"]["error"] == {
        "code": "internal",
        "message": f"The export failed. Quote {JOB}.",
    }


def test_a_cancelled_export_has_its_own_event_type() -> None:
    cancelled = replace(DONE, status="cancelled", receipt=None, error=CANCELLED)
    assert export_message(cancelled, BASE)["type"] == "export.cancelled"


def test_a_pause_message_has_the_last_error() -> None:
    message = pause_message(FAILED, "Weekly", 3, BASE)
    assert message["type"] == "schedule.paused"
    assert message["data"] == {
        "id": SCHEDULE,
        "status": "paused",
        "report": "orders",
        "name": "Weekly",
        "failures": 3,
        "exportId": JOB,
        "error": {"code": "source.timeout", "message": "Too long."},
        "links": {
            "self": f"{BASE}/schedules/{SCHEDULE}",
            "runs": f"{BASE}/schedules/{SCHEDULE}/runs",
            "export": f"{BASE}/exports/{JOB}",
        },
    }


def sign(*secrets: WebhookSecrets, at: datetime | None = None) -> tuple[bytes, dict[str, str]]:
    body = encode_message(export_message(DONE, BASE))
    keys = [secret.signing_keys("ada")[0] for secret in secrets]
    return body, signed_headers(message_id(UUID(JOB)), body, keys, at or datetime.now(UTC))


def verify(secret: WebhookSecrets, body: bytes, headers: dict[str, str], caller: str = "ada") -> Any:
    return Webhook(secret.signing_secret(caller)).verify(body, headers)


def test_the_standard_webhooks_library_verifies_a_message() -> None:
    body, headers = sign(NEW)
    assert verify(NEW, body, headers) == json.loads(body)


def test_both_secrets_verify_during_a_rotation() -> None:
    body, headers = sign(NEW, OLD)
    assert verify(NEW, body, headers) == verify(OLD, body, headers)


@pytest.mark.parametrize("changed", ["body", "id", "caller", "secret", "age"])
def test_a_changed_message_or_key_does_not_verify(changed: str) -> None:
    body, headers = sign(NEW, at=datetime.now(UTC) - timedelta(minutes=10) if changed == "age" else None)
    if changed == "body":
        body = body.replace(b'"rows":2', b'"rows":3')
    if changed == "id":
        headers["webhook-id"] = "msg_another"
    with pytest.raises(WebhookVerificationError):
        verify(OLD if changed == "secret" else NEW, body, headers, "bob" if changed == "caller" else "ada")


def test_the_message_id_stays_the_same_across_attempts() -> None:
    assert message_id(UUID(JOB)) == "msg_899e1228d7b840fc849070e6f1efb338"
    first, second = sign(NEW)[1], sign(NEW, at=datetime.now(UTC) + timedelta(minutes=1))[1]
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] != second["webhook-timestamp"]
