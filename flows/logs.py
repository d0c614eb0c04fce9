"""Log lines for machines: one JSON object each, with the job, caller and request that it is about.

A line: {"time": RFC 3339 in UTC, "level", "logger", "message", and where there is one "job", "caller",
"request", "error": the traceback}. Prefect's own lines come in the same form.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

Format = Literal["text", "json"]

OURS = ("api", "flows", "deployments", "report_exports")
ACCESS = "report_exports.access"

_of_this_task: ContextVar[dict[str, str] | None] = ContextVar("of_this_task", default=None)
_of_this_process: dict[str, str] = {}
# Prefect configures its logging again and again, and finds handlers by name as long as somebody holds them;
# it would bring back its own otherwise.
_replaced: list[logging.Handler] = []


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_of_this_process,
            **(_of_this_task.get() or {}),
            **getattr(record, "facts", {}),
        }
        if (run := getattr(record, "flow_run_id", None)) is not None:  # as Prefect says it
            line.setdefault("job", str(run))
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(chosen: Format) -> None:
    """Harmless when it is called again. As text, Prefect's own format stays, for lines of ours too."""
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO)
    logging.getLogger(ACCESS).setLevel(logging.INFO if chosen == "json" else logging.WARNING)
    if chosen == "json" and not _is_configured():
        for logger in [logging.root, *logging.root.manager.loggerDict.values()]:
            if isinstance(logger, logging.Logger):
                _without_console(logger)
        written = logging.StreamHandler(sys.stderr)
        written.setFormatter(JsonLines())
        logging.root.addHandler(written)
        # Its lines hold queries; ours do not.
        logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL)


def bind_run(chosen: Format, **facts: str) -> None:
    """All that this process says from now on is about this run."""
    configure(chosen)
    _of_this_process.update(facts)


@contextmanager
def context(**facts: str) -> Iterator[None]:
    """What is said within the block; `note` adds what is found out on the way."""
    token = _of_this_task.set(dict(facts))
    try:
        yield
    finally:
        _of_this_task.reset(token)


def bind(**facts: str) -> None:
    if (known := _of_this_task.get()) is not None:
        known.update(facts)


def _is_configured() -> bool:
    return any(isinstance(each.formatter, JsonLines) for each in logging.root.handlers)


def _without_console(logger: logging.Logger) -> None:
    for handler in list(logger.handlers):
        if isinstance(handler, logging.StreamHandler) and handler.stream in (sys.stdout, sys.stderr):
            logger.removeHandler(handler)
            _replaced.append(handler)
            logger.propagate = True
