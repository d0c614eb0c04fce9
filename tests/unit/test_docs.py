"""The README says what there is, and all of it."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

import deployments.warm_worker.metrics  # noqa: F401 - registers them
from api.settings import ApiSettings
from api.web.metrics import Metrics
from deployments.cli import main
from deployments.command_line.exit_codes import EXIT_CODES
from deployments.command_line.options.schedule_options import ACTIONS
from flows.formats.csv_options import CHOICES, OPTIONS, PRESETS
from flows.query.report import Report
from flows.reports import catalog

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(ApiSettings.model_fields))
def test_every_setting_stands_in_the_readme(name: str) -> None:
    assert f"REPORTS_{name.upper()}" in README


def test_the_readme_names_no_setting_that_does_not_exist() -> None:
    of_the_command_line = {"API_URL", "API_KEY"}
    named = set(re.findall(r"REPORTS_([A-Z_]+)", README))
    assert named <= {name.upper() for name in ApiSettings.model_fields} | of_the_command_line


def told_by_help(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit):
        main([*arguments, "--help"])
    return capsys.readouterr().out


@pytest.fixture
def commands(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return re.findall(r"^    ([a-z]+)(?: |$)", told_by_help(capsys), re.MULTILINE)


def test_every_command_stands_in_the_readme(commands: list[str]) -> None:
    assert {"up", "worker", "export", "list", "cancel", "schedules"} <= set(commands)
    assert [name for name in commands if f"report-exports {name}" not in README] == []


def test_every_option_in_the_readme_is_one_of_the_command_line(
    capsys: pytest.CaptureFixture[str], commands: list[str]
) -> None:
    helps = [told_by_help(capsys, name) for name in commands]
    helps += [told_by_help(capsys, "keys", action) for action in ("create", "list", "revoke")]
    helps += [told_by_help(capsys, "schedules", action) for action in ACTIONS]
    options = set(re.findall(r"--[a-z-]+", "".join(helps)))
    mentioned = set(re.findall(r"(?<!-)--[a-z][a-z-]+", README))
    assert mentioned
    assert mentioned <= options


@pytest.mark.parametrize("command", ["export", "list", "cancel", *(f"schedules {each}" for each in ACTIONS)])
def test_every_option_of_what_asks_the_service_stands_in_the_readme(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    told = told_by_help(capsys, *command.split())
    options = set(re.findall(r"(?<![a-z])--[a-z-]+", told)) - {"--help", "--output"}
    assert {option for option in options if option not in README} == set()


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_of_schedules_stands_in_the_readme(action: str) -> None:
    assert f"schedules {action}" in README


def test_the_readme_and_the_help_tell_the_same_exit_codes() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", README.replace("`", ""), re.MULTILINE)
    told = [(code, words.split(";")[0]) for code, words in rows]
    assert told == re.findall(r"^ +(\d+) +(.+)$", EXIT_CODES, re.MULTILINE)


def test_the_metrics_in_the_readme_are_those_that_are_served() -> None:
    served: set[str] = set()
    for registry in (Metrics().registry, REGISTRY):
        for found in registry.collect():
            if found.name.startswith("report_exports"):
                served.add(f"{found.name}_total" if found.type == "counter" else found.name)
    assert set(re.findall(r"`(report_exports_\w+)`", README)) == served


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert (
        set(re.findall(r"`make ([a-z]+)", README)) | set(re.findall(r"^make ([a-z]+)", README, re.MULTILINE))
        <= targets
    )


def test_every_file_that_the_readme_links_exists() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_part_of_a_report_stands_in_the_readme() -> None:
    told_by_the_code = {"name", "title", "file", "masked"}
    parts = set(Report.__dataclass_fields__) - told_by_the_code
    assert {part for part in parts if f"`{part}`" not in README} == set()


def test_every_option_of_the_csv_stands_in_the_readme_with_all_that_it_may_be() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*)$", README.partition("## The CSV")[2], re.MULTILINE))
    assert {"preset", *rows} >= set(OPTIONS)
    for option, choices in CHOICES.items():
        named = [json.dumps(each).replace("|", "\\|") for each in choices if each is not False]
        assert [each for each in named if each not in rows[option]] == [], option


@pytest.mark.parametrize("preset", PRESETS)
def test_what_a_preset_sets_stands_in_the_readme(preset: str) -> None:
    rows = re.findall(r"^\| (?:option|`\w+`) \| .*$", README.partition("## The CSV")[2], re.MULTILINE)
    head, *options = [re.split(r"(?<!\\)\|", row) for row in rows[: len(OPTIONS)]]
    place = [cell.strip(" `") for cell in head].index(preset)
    for cells in options:
        name = cells[1].strip(" `")
        value = getattr(PRESETS[preset], re.sub(r"[A-Z]", lambda upper: "_" + upper[0].lower(), name))
        assert cells[place].strip(" `") == (value if isinstance(value, str) else json.dumps(value)), name


def test_the_report_in_the_readme_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(code) == 1
    (tmp_path / "readme_report.py").write_text(code[0], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert "customers" in catalog(("readme_report",))


@pytest.mark.parametrize("name", ["use-export.js", "export-button.jsx"])
def test_the_react_example_in_the_docs_is_the_one_that_is_built(name: str) -> None:
    shown = (ROOT / "docs/front-end.md").read_text(encoding="utf-8")
    code = (ROOT / "docs/react" / name).read_text(encoding="utf-8")
    assert f"```{Path(name).suffix[1:]}\n{code}```" in shown


def test_the_lock_of_the_react_example_names_no_registry() -> None:
    lock = (ROOT / "docs/react/package-lock.json").read_text(encoding="utf-8")
    assert '"integrity"' in lock
    assert "resolved" not in lock
    assert "http" not in lock


def test_every_report_of_the_repo_stands_in_the_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in changelog for name in catalog())
