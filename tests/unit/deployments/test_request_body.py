from typing import Any

import pytest

from deployments.command_line.request_body import csv_choice, filters, in_options, option_at, value_of

REPORT = {"filters": [{"name": "utm", "type": "string"}, {"name": "score", "type": "integer"}]}
NAMES = {"surveyId": "--survey"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("null", None),
        ("5", 5),
        ("-0.5", -0.5),
        ('["a", null]', ["a", None]),
        ('"5"', "5"),
        ("wa", "wa"),
        ("", ""),
        ("007", "007"),
        ("True", "True"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("1e999", "1e999"),
        ("2024-07-19", "2024-07-19"),
        ("{", "{"),
        ("[" * 100_000, "[" * 100_000),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_a_value_is_json_where_it_is_json_and_else_a_text(text: str, value: Any) -> None:
    found = value_of(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("text", "value"), [("5", "5"), ("true", "true"), ("null", None), ('"5"', "5")])
def test_what_a_text_is_compared_with_is_a_text(text: str, value: Any) -> None:
    assert filters([("utm", text)], REPORT) == {"utm": value}


def test_a_filter_given_more_than_once_is_any_of_its_values() -> None:
    given = [("score", "1"), ("utm", "wa"), ("score", "null"), ("score", "[2,3]")]
    assert filters(given, REPORT) == {"score": [1, None, 2, 3], "utm": "wa"}


def test_an_empty_list_is_left_to_the_service_to_refuse() -> None:
    assert filters([("score", "[]")], REPORT) == {"score": []}


@pytest.mark.parametrize(
    ("preset", "options", "chosen"),
    [
        (None, [], None),
        ("plain", [], "plain"),
        ("plain", [("header", "keys")], {"preset": "plain", "header": "keys"}),
        (None, [("bom", "true")], {"bom": True}),
    ],
)
def test_csv_is_a_preset_or_options_over_one(
    preset: str | None, options: list[tuple[str, str]], chosen: Any
) -> None:
    assert csv_choice(preset, options) == chosen


@pytest.mark.parametrize(
    ("pointer", "option"),
    [
        ("/surveyId", "--survey"),
        ("/from", "--from"),
        ("/filters/utm", "--filter utm"),
        ("/filters/a~1b~0c", "--filter a/b~c"),
        ("/timeZone", "--time-zone"),
        ("/report", "REPORT"),
        ("/headers/Idempotency-Key", "--idempotency-key"),
        ("/status", "--status"),
        ("", ""),
    ],
)
def test_a_pointer_is_spoken_of_as_its_option(pointer: str, option: str) -> None:
    assert option_at(pointer, NAMES) == option


def test_nothing_that_the_service_says_can_steer_the_terminal() -> None:
    errors = [{"pointer": "/filters/\x1b[2J", "detail": "No\r\x07 \x1b]0;x"}, {"detail": "Too large."}]
    assert in_options(errors, NAMES) == ["--filter  [2J: No    ]0;x", "Too large."]
