from typing import Any

import pytest

from deployments.command_line.exit_codes import RequestRejected
from deployments.command_line.options import scope_options

DECLARED = {"--name", "--force", "--from", "--help"}


def report(*parameters: str) -> dict[str, Any]:
    return {"parameters": [{"name": name} for name in (*parameters, "from", "to")]}


@pytest.mark.parametrize(
    ("arguments", "rest", "pairs"),
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
def test_undeclared_options_belong_to_the_report(
    arguments: list[str], rest: list[str], pairs: list[tuple[str, str]]
) -> None:
    assert scope_options.split_scope_options(arguments, DECLARED) == (rest, pairs)


@pytest.mark.parametrize("arguments", [["--survey"], ["--survey", "--force"]])
def test_an_undeclared_option_needs_a_value(arguments: list[str]) -> None:
    with pytest.raises(RequestRejected, match="--survey: unknown option, or its value is missing"):
        scope_options.split_scope_options(arguments, DECLARED)


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("surveyId", ["--survey", "--survey-id", "--surveyId"]),
        ("country", ["--country"]),
        ("nameId", ["--name-id", "--nameId"]),
        ("name", []),
    ],
)
def test_the_spellings_of_a_scope_exclude_declared_options(parameter: str, expected: list[str]) -> None:
    assert scope_options.spell_options(parameter, DECLARED) == expected


def test_an_exact_match_wins_if_two_scopes_share_a_spelling() -> None:
    scopes = scope_options.map_options_to_scopes(report("surveyId", "survey"), DECLARED)
    assert scopes == {"--survey": "survey", "--survey-id": "surveyId", "--surveyId": "surveyId"}


def test_an_ambiguous_spelling_is_rejected() -> None:
    with pytest.raises(RequestRejected, match="This report has these options: --shop-Id, --shopId"):
        scope_options.build_scope(report("shop-Id", "shopId"), [("--shop", "7")], [], DECLARED)


def test_a_scope_without_a_spelling_uses_the_scope_option() -> None:
    assert scope_options.preferred_options(report("name"), DECLARED) == {"name": "--scope name="}


def test_scopes_come_from_their_option_or_by_name() -> None:
    scope = scope_options.build_scope(
        report("surveyId", "shop"), [("--survey-id", "7")], [("shop", "8")], DECLARED
    )
    assert scope == {"surveyId": "7", "shop": "8"}


def test_a_scope_specified_twice_is_rejected() -> None:
    with pytest.raises(RequestRejected, match="--survey: specified twice"):
        scope_options.build_scope(report("surveyId"), [("--surveyId", "7")], [("surveyId", "7")], DECLARED)
