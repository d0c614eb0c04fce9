"""Write each log line as a JSON object that includes the job, the caller and the request.

Every object has the fields "time" (RFC 3339, UTC), "level", "logger" and "message". It also has "job",
"caller", "request" and "error" (a traceback) where they apply. Prefect's log lines have the same format.
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

LOGGERS = ("api", "flows", "deployments", "report_exports")
ACCESS = "report_exports.access"

_task_fields: ContextVar[dict[str, str] | None] = ContextVar("task_fields", default=None)
_process_fields: dict[str, str] = {}
# Prefect reconfigures logging repeatedly. It reuses an existing handler of the same name, but only while
# something still references that handler. This list holds the references, so Prefect does not keep adding
# console handlers.
_replaced: list[logging.Handler] = []


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_process_fields,
            **(_task_fields.get() or {}),
            **getattr(record, "fields", {}),
        }
        if (run := getattr(record, "flow_run_id", None)) is not None:  # Prefect sets this attribute.
            line.setdefault("job", str(run))
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(log_format: Format) -> None:
    """Configure logging. Repeated calls have no effect.

    If `log_format` is "text", the log keeps Prefect's format.
    """
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)
    logging.getLogger(ACCESS).setLevel(logging.INFO if log_format == "json" else logging.WARNING)
    if log_format == "json" and not _is_configured():
        for logger in [logging.root, *logging.root.manager.loggerDict.values()]:
            if isinstance(logger, logging.Logger):
                _remove_console_handlers(logger)
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonLines())
        logging.root.addHandler(handler)
        # Silence uvicorn's access log, because it contains query strings. This service's access log does not.
        logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL)


def bind_run(log_format: Format, **fields: str) -> None:
    """Add fields to all subsequent log lines from this process."""
    configure(log_format)
    _process_fields.update(fields)


def unbind_run() -> None:
    """Remove the fields that `bind_run` added."""
    _process_fields.clear()


@contextmanager
def context(**fields: str) -> Iterator[None]:
    """Add fields to all log lines that are written in the `with` block. `bind` can add more fields."""
    token = _task_fields.set(dict(fields))
    try:
        yield
    finally:
        _task_fields.reset(token)


def bind(**fields: str) -> None:
    """Add fields to the current context, if there is one."""
    if (bound := _task_fields.get()) is not None:
        bound.update(fields)


def bound(name: str) -> str:
    """Return the value of a field in the current context, or an empty string if the field is not set."""
    return (_task_fields.get() or {}).get(name, "")


def _is_configured() -> bool:
    return any(isinstance(handler.formatter, JsonLines) for handler in logging.root.handlers)


def _remove_console_handlers(logger: logging.Logger) -> None:
    for handler in list(logger.handlers):
        if isinstance(handler, logging.StreamHandler) and handler.stream in (sys.stdout, sys.stderr):
            logger.removeHandler(handler)
            _replaced.append(handler)
            logger.propagate = True
