from typing import Any

import pytest

from deployments.command_line.exit_codes import Refused
from deployments.command_line.options import scope_options

KNOWN = {"--name", "--force", "--from", "--help"}


def report(*parameters: str) -> dict[str, Any]:
    return {"parameters": [{"name": name} for name in (*parameters, "from", "to")]}


@pytest.mark.parametrize(
    ("arguments", "rest", "found"),
    [
        (["export", "x", "--survey", "7"], ["export", "x"], [("--survey", "7")]),
        (["export", "--survey", "7", "x"], ["export", "x"], [("--survey", "7")]),
        (["--survey=7=8", "--force"], ["--force"], [("--survey", "7=8")]),
        (["--survey="], [], [("--survey", "")]),
        (["--survey", "-7"], [], [("--survey", "-7")]),
        (["--name=x", "-o", "-"], ["--name=x", "-o", "-"], []),
        (["x", "--", "--survey", "7"], ["x", "--", "--survey", "7"], []),
    ],
)
def test_unknown_options_are_the_reports(
    arguments: list[str], rest: list[str], found: list[tuple[str, str]]
) -> None:
    assert scope_options.split(arguments, KNOWN) == (rest, found)


@pytest.mark.parametrize("arguments", [["--survey"], ["--survey", "--force"]])
def test_an_unknown_option_needs_a_value(arguments: list[str]) -> None:
    with pytest.raises(Refused, match="--survey: there is no such option, or its value is missing"):
        scope_options.split(arguments, KNOWN)


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("surveyId", ["--survey", "--survey-id", "--surveyId"]),
        ("country", ["--country"]),
        ("nameId", ["--name-id", "--nameId"]),
        ("name", []),
    ],
)
def test_a_scope_is_spelt_as_people_do_and_never_as_another_option(
    parameter: str, expected: list[str]
) -> None:
    assert scope_options.spellings(parameter, KNOWN) == expected


def test_of_two_scopes_that_claim_an_option_the_exact_one_has_it() -> None:
    found = scope_options.options_of(report("surveyId", "survey"), KNOWN)
    assert found == {"--survey": "survey", "--survey-id": "surveyId", "--surveyId": "surveyId"}


def test_an_option_that_two_scopes_claim_is_neithers() -> None:
    with pytest.raises(Refused, match="those of this report are --shop-Id, --shopId"):
        scope_options.scope(report("shop-Id", "shopId"), [("--shop", "7")], [], KNOWN)


def test_a_scope_without_an_option_is_named_by_scope() -> None:
    assert scope_options.shown_options(report("name"), KNOWN) == {"name": "--scope name="}


def test_a_scope_comes_by_its_option_and_by_its_name() -> None:
    given = scope_options.scope(report("surveyId", "shop"), [("--survey-id", "7")], [("shop", "8")], KNOWN)
    assert given == {"surveyId": "7", "shop": "8"}


def test_a_scope_is_given_once() -> None:
    with pytest.raises(Refused, match="--survey: it is given twice"):
        scope_options.scope(report("surveyId"), [("--surveyId", "7")], [("surveyId", "7")], KNOWN)
