"""Test the shell completion script by running it in bash."""

import shutil
import subprocess

import pytest

from deployments.cli import main

COMPLETE = """
COMP_WORDS=(report-exports {words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_report_exports
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", "bash"]) == 0
    return capsys.readouterr().out


def completions(script: str, words: str) -> set[str]:
    bash = shutil.which("bash")
    assert bash is not None
    command = script + COMPLETE.format(words=words)
    ran = subprocess.run([bash, "-u", "-c", command], capture_output=True, text=True, check=True)  # noqa: S603
    return set(ran.stdout.split())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ex", {"export"}),
        ("c", {"cancel", "check", "completion"}),
        ("schedules p", {"pause", "preview"}),
        ("--api http://localhost schedules re", {"resume"}),
        ("schedules list --l", {"--limit"}),
        ("list --sea", {"--search"}),
        ("keys cr", {"create"}),
        ("completion ''", {"bash", "zsh", "--help"}),
        ("up --stri", {"--strict"}),
        ("export orders --output some", set()),
    ],
)
def test_words_are_completed(script: str, words: str, expected: set[str]) -> None:
    assert completions(script, words) == expected


def test_all_commands_are_offered(script: str) -> None:
    assert {"up", "worker", "export", "list", "schedules", "keys", "init"} <= completions(script, "''")


def test_the_script_for_zsh_enables_completions_of_bash(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "zsh"]) == 0
    first, *rest = capsys.readouterr().out.splitlines(keepends=True)
    assert first == "autoload -U +X bashcompinit && bashcompinit\n"
    assert main(["completion", "bash"]) == 0
    assert capsys.readouterr().out == "".join(rest)
