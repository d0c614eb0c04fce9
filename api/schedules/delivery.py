"""One webhook on its way, as its owner sees it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

DeliveryStatus = Literal["waiting", "sending", "delivered", "failed"]


@dataclass(frozen=True)
class Delivery:
    """`id` is the `webhook-id` that the receiver sees; `next_attempt_at` only while it waits."""

    id: str
    event: str
    export_id: str | None
    host: str
    status: DeliveryStatus
    attempt: int
    response_status: int | None
    error: tuple[str, str] | None
    created_at: datetime | None
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None

    def as_body(self) -> dict[str, Any]:
        code, message = self.error or (None, None)
        return {
            "id": self.id,
            "event": self.event,
            "exportId": self.export_id,
            "host": self.host,
            "status": self.status,
            "attempt": self.attempt,
            "responseStatus": self.response_status,
            "error": {"code": code, "message": message} if self.error is not None else None,
            "createdAt": _text(self.created_at),
            "lastAttemptAt": _text(self.last_attempt_at),
            "nextAttemptAt": _text(self.next_attempt_at),
        }


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
