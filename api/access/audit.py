"""Write an audit log that records who did what, for which rows, from where and with what outcome.

Routes and dependencies add fields with `note`. The middleware writes one line when the response ends, even if
the request was rejected.
"""

from contextvars import ContextVar
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows import audit

# Maps the operation id of each audited route to its action in the audit log.
ACTIONS = {
    "startExport": "export.start",
    "startCsv": "export.start",
    "retryExport": "export.retry",
    "cancelExport": "export.cancel",
    "deleteExport": "export.delete",
    "downloadExport": "export.download",
    "downloadFile": "file.download",
    "createSchedule": "schedule.create",
    "changeSchedule": "schedule.change",
    "deleteSchedule": "schedule.delete",
    "runSchedule": "schedule.run",
    "createToken": "token.create",
}
# The action that is logged for any other request whose response contains signed links.
LINK = "export.link"

_notes: ContextVar[dict[str, Any] | None] = ContextVar("audit_notes", default=None)


def note(**fields: object) -> None:
    """Add fields to the audit line of the current request, if there is one."""
    if (notes := _notes.get()) is not None:
        notes.update(fields)


def note_link(job_id: str) -> None:
    """Record that the response contains a signed link to the export's file."""
    if (notes := _notes.get()) is not None:
        notes.setdefault("links", []).append(job_id)


def note_preview() -> None:
    """Exclude the request from the audit log, because a preview does not start an export."""
    note(is_preview=True)


class AuditLog:
    """ASGI middleware that writes the audit log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, notes = 500, dict[str, Any]()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        token = _notes.set(notes)
        try:
            await self._app(scope, receive, send_and_note)
        finally:
            _notes.reset(token)
            _write(scope, status, notes)


def _write(scope: Scope, status: int, notes: dict[str, Any]) -> None:
    is_preview, links = notes.pop("is_preview", False), notes.pop("links", None)
    action = ACTIONS.get(getattr(scope.get("route"), "operation_id", None) or "")
    if action is None and links and status == 200:
        action, notes["jobs"] = LINK, links
    if action is None or is_preview:
        return
    client = scope.get("client")
    fields = {"status": status, "from": client[0] if client is not None else None, **notes}
    audit.record(action, _outcome(status), **fields)


def _outcome(status: int) -> audit.Outcome:
    if status < 400:
        return "done"
    return "refused" if status < 500 else "failed"
