"""Options that only the service knows: a report that is scoped by `surveyId` has `--survey`. Pure."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from deployments.command_line.exit_codes import Refused

Pair = tuple[str, str]
PERIOD = ("from", "to")


def split(arguments: Sequence[str], known: Collection[str]) -> tuple[list[str], list[Pair]]:
    """The arguments that argparse knows, and (option, value) of the long options that it does not."""
    rest: list[str] = []
    found: list[Pair] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        option, equals, value = argument.partition("=")
        if argument == "--":
            return [*rest, argument, *waiting], found
        if len(option) < 3 or not option.startswith("--") or option in known:
            rest.append(argument)
        elif equals:
            found.append((option, value))
        elif waiting and not waiting[0].startswith("--"):
            found.append((option, waiting.pop(0)))
        else:
            raise Refused(f"{option}: there is no such option, or its value is missing.")
    return rest, found


def spellings(parameter: str, known: Collection[str]) -> list[str]:
    """`surveyId` → `--survey`, `--survey-id`, `--surveyId`; what means something else already is left out."""
    kebab = re.sub(r"(?<=[a-z0-9])([A-Z])", r"-\1", parameter).lower()
    found = dict.fromkeys([f"--{kebab.removesuffix('-id')}", f"--{kebab}", f"--{parameter}"])
    return [each for each in found if each not in known]


def options_of(report: Mapping[str, Any], known: Collection[str]) -> dict[str, str]:
    """The parameter of each option, for all its spellings; where two claim one, it is neither's."""
    claims: dict[str, list[str]] = {}
    for parameter in scopes_of(report):
        for option in spellings(parameter, known):
            claims.setdefault(option, []).append(parameter)
    exact = {f"--{parameter}": parameter for parameter in scopes_of(report)}
    alone = {option: names[0] for option, names in claims.items() if len(names) == 1}
    return alone | {option: name for option, name in exact.items() if option in claims}


def scopes_of(report: Mapping[str, Any]) -> list[str]:
    return [str(each["name"]) for each in report.get("parameters", []) if each["name"] not in PERIOD]


def scope(
    report: Mapping[str, Any], options: Sequence[Pair], named: Sequence[Pair], known: Collection[str]
) -> dict[str, str]:
    """From `--survey X` and `--scope surveyId=X` alike."""
    by_option = options_of(report, known)
    for option, _ in options:
        if option not in by_option:
            there_are = ", ".join(shown_options(report, known).values()) or "none"
            raise Refused(f"{option}: there is no such option; those of this report are {there_are}.")
    found: dict[str, str] = {}
    for name, value in [*((by_option[option], value) for option, value in options), *named]:
        if name in found:
            raise Refused(f"{shown_options(report, known).get(name, name)}: it is given twice.")
        found[name] = value
    return found


def shown_options(report: Mapping[str, Any], known: Collection[str]) -> dict[str, str]:
    """By which option each scope is spoken of: its first."""
    by_option = options_of(report, known)
    first: dict[str, str] = {}
    for option, parameter in by_option.items():
        first.setdefault(parameter, option)
    return {name: first.get(name, f"--scope {name}=") for name in scopes_of(report)}
