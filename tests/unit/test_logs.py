import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from flows import logs


@pytest.fixture(autouse=True)
def process_without_a_run() -> Iterator[None]:
    yield
    logs._process_fields.clear()


def line(message: str = "ready", *arguments: object, **extra: Any) -> dict[str, Any]:
    record = logging.LogRecord("api.app", logging.WARNING, "app.py", 1, message, arguments, None)
    record.created = 1721390400.5
    vars(record).update(extra)
    return dict(json.loads(logs.JsonLines().format(record)))


def test_a_line_has_time_level_logger_and_message() -> None:
    assert line("report %s", "orders") == {
        "time": "2024-07-19T12:00:00.500+00:00",
        "level": "WARNING",
        "logger": "api.app",
        "message": "report orders",
    }


def test_lines_of_a_request_have_its_fields() -> None:
    with logs.context(request="r-1"):
        logs.bind(caller="ada")
        logs.bind(job="899e1228")
        fields = line()
    assert (fields["request"], fields["caller"], fields["job"]) == ("r-1", "ada", "899e1228")
    assert "request" not in line()


def test_bind_outside_a_context_has_no_effect() -> None:
    logs.bind(caller="ada")
    assert "caller" not in line()


def test_prefects_lines_of_a_run_have_the_job() -> None:
    assert line(flow_run_id="899e1228")["job"] == "899e1228"


def test_fields_of_a_line_override_those_of_the_process() -> None:
    logs._process_fields.update(job="899e1228")
    assert line()["job"] == "899e1228"
    assert line(fields={"job": "0a1b2c3d"})["job"] == "0a1b2c3d"


def test_a_record_is_always_one_line() -> None:
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "two\nlines\u2028\x1b[31m", (), None)
    assert "\n" not in logs.JsonLines().format(record)
    assert line("two\nlines")["message"] == "two\nlines"


def test_an_error_has_a_traceback() -> None:
    try:
        raise ValueError("no such colour")
    except ValueError:
        fields = line(exc_info=sys.exc_info())
    assert fields["error"].startswith("Traceback")
    assert "no such colour" in fields["error"]
