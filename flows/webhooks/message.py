"""Build and sign webhook messages according to Standard Webhooks (standardwebhooks.com).

The body contains links to the API. The receiver follows them with its own API key. The body never contains a
signed link to the file.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from flows.query.report import DEFAULT_REPORT
from flows.runs.outcome import JobError, Outcome
from flows.webhooks.subscriptions import EVENT_TYPES

Message = Mapping[str, Any]
ANSWERED = "The receiver answered {}."


def export_message(outcome: Outcome, base: str) -> Message:
    """Return the message for an export that has ended. `base` is the public URL of the API."""
    here, receipt = f"{base}/exports/{outcome.job_id}", outcome.receipt
    data = {
        "id": outcome.job_id,
        "status": outcome.status,
        "report": outcome.request.get("report") or DEFAULT_REPORT,
        "name": outcome.request.get("name"),
        "scheduleId": outcome.schedule_id,
        "rows": receipt and receipt.rows,
        "bytes": receipt and receipt.bytes,
        "sha256": receipt and receipt.sha256,
        "error": _error(outcome.error),
        "links": {
            "self": here,
            "download": f"{here}/download" if receipt else None,
            "manifest": f"{here}/manifest" if receipt else None,
        },
    }
    return {"type": EVENT_TYPES[outcome.status], "timestamp": outcome.ended_at.isoformat(), "data": data}


def pause_message(outcome: Outcome, name: str, failures: int, base: str) -> Message:
    """Return the message for a paused schedule.

    `name` is the name of the schedule, and `outcome` describes its last failed run.
    """
    here = f"{base}/schedules/{outcome.schedule_id}"
    data = {
        "id": outcome.schedule_id,
        "status": "paused",
        "report": outcome.request.get("report") or DEFAULT_REPORT,
        "name": name,
        "failures": failures,
        "exportId": outcome.job_id,
        "error": _error(outcome.error),
        "links": {"self": here, "runs": f"{here}/runs", "export": f"{base}/exports/{outcome.job_id}"},
    }
    return {"type": EVENT_TYPES["paused"], "timestamp": outcome.ended_at.isoformat(), "data": data}


def encode_message(message: Message) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def signed_headers(message_id: str, body: bytes, keys: Sequence[bytes], now: datetime) -> dict[str, str]:
    timestamp = str(int(now.timestamp()))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    signatures = (base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)
    return {
        "content-type": "application/json",
        "user-agent": "report-exports-webhook",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def message_id(run_id: UUID) -> str:
    """Return the id of the message that the run delivers. All attempts use the same id."""
    return f"msg_{run_id.hex}"


def _error(error: JobError | None) -> dict[str, str] | None:
    return {"code": error.code, "message": error.message} if error is not None else None
