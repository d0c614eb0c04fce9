"""Map the scopes of a report to options. For example, `--survey` sets the scope `surveyId`."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from deployments.command_line.exit_codes import RequestRejected

Pair = tuple[str, str]
PERIOD = ("from", "to")


def split_scope_options(
    arguments: Sequence[str], declared_options: Collection[str]
) -> tuple[list[str], list[Pair]]:
    """Separate undeclared long options from the other arguments.

    Returns the arguments for argparse, and an (option, value) pair for each undeclared option.
    """
    rest: list[str] = []
    pairs: list[Pair] = []
    pending = list(arguments)
    while pending:
        argument = pending.pop(0)
        option, equals, value = argument.partition("=")
        if argument == "--":
            return [*rest, argument, *pending], pairs
        if len(option) < 3 or not option.startswith("--") or option in declared_options:
            rest.append(argument)
        elif equals:
            pairs.append((option, value))
        elif pending and not pending[0].startswith("--"):
            pairs.append((option, pending.pop(0)))
        else:
            raise RequestRejected(f"{option}: unknown option, or its value is missing.")
    return rest, pairs


def spell_options(scope: str, declared_options: Collection[str]) -> list[str]:
    """Return the options for a scope, such as `--survey`, `--survey-id` and `--surveyId` for `surveyId`."""
    kebab = re.sub(r"(?<=[a-z0-9])([A-Z])", r"-\1", scope).lower()
    spellings = dict.fromkeys([f"--{kebab.removesuffix('-id')}", f"--{kebab}", f"--{scope}"])
    return [option for option in spellings if option not in declared_options]


def map_options_to_scopes(report: Mapping[str, Any], declared_options: Collection[str]) -> dict[str, str]:
    """Map each option to its scope. A short option that several scopes share is omitted."""
    candidates: dict[str, list[str]] = {}
    for scope in list_scopes(report):
        for option in spell_options(scope, declared_options):
            candidates.setdefault(option, []).append(scope)
    exact = {f"--{scope}": scope for scope in list_scopes(report)}
    unique = {option: scopes[0] for option, scopes in candidates.items() if len(scopes) == 1}
    return unique | {option: scope for option, scope in exact.items() if option in candidates}


def list_scopes(report: Mapping[str, Any]) -> list[str]:
    names = (str(parameter["name"]) for parameter in report.get("parameters", []))
    return [name for name in names if name not in PERIOD]


def build_scope(
    report: Mapping[str, Any],
    scope_pairs: Sequence[Pair],
    named_pairs: Sequence[Pair],
    declared_options: Collection[str],
) -> dict[str, str]:
    """Return the scope values that are set with options such as `--survey X` or `--scope surveyId=X`."""
    scopes = map_options_to_scopes(report, declared_options)
    for option, _ in scope_pairs:
        if option not in scopes:
            options = ", ".join(preferred_options(report, declared_options).values()) or "none"
            raise RequestRejected(f"{option}: unknown option. This report has these options: {options}.")
    values: dict[str, str] = {}
    for name, value in [*((scopes[option], value) for option, value in scope_pairs), *named_pairs]:
        if name in values:
            option = preferred_options(report, declared_options).get(name, name)
            raise RequestRejected(f"{option}: specified twice.")
        values[name] = value
    return values


def preferred_options(report: Mapping[str, Any], declared_options: Collection[str]) -> dict[str, str]:
    """Map each scope to its shortest option, or to `--scope name=` if the scope has no option."""
    shortest: dict[str, str] = {}
    for option, scope in map_options_to_scopes(report, declared_options).items():
        shortest.setdefault(scope, option)
    return {name: shortest.get(name, f"--scope {name}=") for name in list_scopes(report)}
