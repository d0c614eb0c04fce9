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


def test_a_line_says_when_how_bad_who_and_what() -> None:
    assert line("report %s", "orders") == {
        "time": "2024-07-19T12:00:00.500+00:00",
        "level": "WARNING",
        "logger": "api.app",
        "message": "report orders",
    }


def test_what_is_said_for_a_request_names_it_and_all_that_was_found_out() -> None:
    with logs.context(request="r-1"):
        logs.bind(caller="ada")
        logs.bind(job="899e1228")
        found = line()
    assert (found["request"], found["caller"], found["job"]) == ("r-1", "ada", "899e1228")
    assert "request" not in line()


def test_a_note_that_belongs_to_no_request_is_nobodys() -> None:
    logs.bind(caller="ada")
    assert "caller" not in line()


def test_prefects_own_lines_of_a_run_name_the_job_too() -> None:
    assert line(flow_run_id="899e1228")["job"] == "899e1228"


def test_a_line_of_another_run_says_so() -> None:
    logs._process_fields.update(job="899e1228")
    assert line()["job"] == "899e1228"
    assert line(fields={"job": "0a1b2c3d"})["job"] == "0a1b2c3d"


def test_it_is_one_line_whatever_it_says() -> None:
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "two\nlines\u2028\x1b[31m", (), None)
    assert "\n" not in logs.JsonLines().format(record)
    assert line("two\nlines")["message"] == "two\nlines"


def test_an_error_comes_with_its_traceback() -> None:
    try:
        raise ValueError("no such colour")
    except ValueError:
        found = line(exc_info=sys.exc_info())
    assert found["error"].startswith("Traceback")
    assert "no such colour" in found["error"]
