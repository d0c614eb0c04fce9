from argparse import ArgumentTypeError
from typing import Any

import pytest

from deployments.command_line.exit_codes import RequestRejected
from deployments.command_line.options.export_options import parse_filter
from deployments.command_line.request_body import (
    build_csv,
    build_filters,
    describe_errors,
    option_for_pointer,
    parse_value,
)

REPORT = {"filters": [{"name": "utm", "type": "string"}, {"name": "score", "type": "integer"}]}
SCOPE_NAMES = {"surveyId": "--survey"}


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
def test_a_value_is_parsed_as_json_if_possible(text: str, value: Any) -> None:
    parsed = parse_value(text)
    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize(("text", "value"), [("5", "5"), ("true", "true"), ("null", None), ('"5"', "5")])
def test_a_string_filter_takes_numbers_as_strings(text: str, value: Any) -> None:
    assert build_filters([("utm", text)], REPORT) == {"utm": value}


def test_a_repeated_filter_matches_any_of_its_values() -> None:
    pairs = [("score", "1"), ("utm", "wa"), ("score", "null"), ("score", "[2,3]")]
    assert build_filters(pairs, REPORT) == {"score": [1, None, 2, 3], "utm": "wa"}


@pytest.mark.parametrize(
    ("arguments", "filters"),
    [
        (["score>=5"], {"score": {"gte": 5}}),
        (["score>5", "score<=7"], {"score": {"gt": 5, "lte": 7}}),
        (["score<-5"], {"score": {"lt": -5}}),
        (["score!=5", "score!=null"], {"score": {"not": [5, None]}}),
        (["score[gte]=5"], {"score": {"gte": 5}}),
        (["utm[contains]=5"], {"utm": {"contains": "5"}}),
        (["utm[contains]=a>=b"], {"utm": {"contains": "a>=b"}}),
        (["utm[null]=false"], {"utm": {"null": False}}),
        (["utm=a>=b"], {"utm": "a>=b"}),
        (["utm=!=[x]="], {"utm": "!=[x]="}),
        (["utm="], {"utm": ""}),
    ],
)
def test_a_filter_may_have_an_operator(arguments: list[str], filters: dict[str, Any]) -> None:
    assert build_filters([parse_filter(argument) for argument in arguments], REPORT) == filters


@pytest.mark.parametrize("argument", ["score", "=5", ">=5", "score!5", "score[gte]>=5", "score[gte=5", ""])
def test_a_filter_without_a_name_or_operator_is_rejected(argument: str) -> None:
    with pytest.raises(ArgumentTypeError, match="NAME=VALUE"):
        parse_filter(argument)


def test_a_filter_has_either_values_or_operators() -> None:
    with pytest.raises(RequestRejected, match="--filter score: use either values or operators"):
        build_filters([("score", "5"), ("score[gte]", "5")], REPORT)


def test_an_empty_list_is_sent_for_the_service_to_reject() -> None:
    assert build_filters([("score", "[]")], REPORT) == {"score": []}


@pytest.mark.parametrize(
    ("preset", "options", "expected"),
    [
        (None, [], None),
        ("plain", [], "plain"),
        ("plain", [("header", "keys")], {"preset": "plain", "header": "keys"}),
        (None, [("bom", "true")], {"bom": True}),
    ],
)
def test_csv_options_extend_the_preset(
    preset: str | None, options: list[tuple[str, str]], expected: Any
) -> None:
    assert build_csv(preset, options) == expected


@pytest.mark.parametrize(
    ("pointer", "option"),
    [
        ("/surveyId", "--survey"),
        ("/from", "--from"),
        ("/filters/utm", "--filter utm"),
        ("/filters/score/gte", "--filter score[gte]"),
        ("/filters/a~1b~0c", "--filter a/b~c"),
        ("/timeZone", "--time-zone"),
        ("/report", "REPORT"),
        ("/headers/Idempotency-Key", "--idempotency-key"),
        ("/status", "--status"),
        ("", ""),
    ],
)
def test_a_pointer_maps_to_its_option(pointer: str, option: str) -> None:
    assert option_for_pointer(pointer, SCOPE_NAMES) == option


def test_control_characters_from_the_service_are_removed() -> None:
    errors = [{"pointer": "/filters/\x1b[2J", "detail": "No\r\x07 \x1b]0;x"}, {"detail": "Too large."}]
    assert describe_errors(errors, SCOPE_NAMES) == ["--filter  [2J: No    ]0;x", "Too large."]
