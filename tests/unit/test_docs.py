"""Test that the documentation is complete and describes only what exists."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

import deployments.warm_worker.metrics  # noqa: F401 - registers the worker's metrics
from api.settings import ApiSettings
from api.web.metrics import Metrics
from deployments.cli import main
from deployments.command_line.exit_codes import EXIT_CODES
from deployments.command_line.options.schedule_options import ACTIONS
from deployments.stack.parts import prefect_index
from flows.errors import errors_by_code
from flows.formats.csv.options import CHOICES, OPTIONS, PRESETS
from flows.query.report import Report
from flows.reports import catalog

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
}
README = PAGES["README.md"]
COMMAND_LINE = PAGES["docs/command-line.md"]
CSV = PAGES["docs/csv.md"]
EVERYTHING = "\n".join(PAGES.values())


def test_the_readme_has_at_most_150_lines() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("name", sorted(ApiSettings.model_fields))
def test_every_setting_is_documented(name: str) -> None:
    assert f"REPORTS_{name.upper()}" in PAGES["docs/settings.md"]


def test_no_document_names_an_unknown_setting() -> None:
    client_settings = {"API_URL", "API_KEY"}
    documented = set(re.findall(r"REPORTS_([A-Z0-9_]+)", EVERYTHING))
    assert documented <= {name.upper() for name in ApiSettings.model_fields} | client_settings


@pytest.mark.parametrize("index", [prefect_index.TAGS, prefect_index.EXPIRED])
def test_every_index_in_prefects_database_is_documented(index: str) -> None:
    assert f"CREATE INDEX CONCURRENTLY {index};" in PAGES["docs/operations.md"]


def help_text(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit):
        main([*arguments, "--help"])
    return capsys.readouterr().out


@pytest.fixture
def commands(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return re.findall(r"^    ([a-z-]+)(?: |$)", help_text(capsys), re.MULTILINE)


def test_every_command_is_documented(commands: list[str]) -> None:
    assert {"up", "worker", "export", "list", "cancel", "schedules"} <= set(commands)
    assert [name for name in commands if f"report-exports {name}" not in COMMAND_LINE] == []


def test_every_documented_option_exists(capsys: pytest.CaptureFixture[str], commands: list[str]) -> None:
    helps = [help_text(capsys, name) for name in commands]
    helps += [help_text(capsys, "keys", action) for action in ("create", "list", "revoke")]
    helps += [help_text(capsys, "schedules", action) for action in ACTIONS]
    options = set(re.findall(r"--[a-z-]+", "".join(helps)))
    documented = set(re.findall(r"(?<!-)--[a-z][a-z-]+", README + COMMAND_LINE))
    assert documented
    assert documented <= options


@pytest.mark.parametrize(
    "command",
    [
        "export",
        "list",
        "show",
        "wait",
        "download",
        "cancel",
        "reports",
        *(f"schedules {name}" for name in ACTIONS),
    ],
)
def test_every_option_of_a_client_command_is_documented(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    text = help_text(capsys, *command.split())
    options = set(re.findall(r"(?<![a-z])--[a-z-]+", text)) - {"--help", "--output"}
    assert {option for option in options if option not in COMMAND_LINE} == set()


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_of_schedules_is_documented(action: str) -> None:
    assert f"schedules {action}" in COMMAND_LINE


def test_documented_exit_codes_match_the_help() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", COMMAND_LINE.replace("`", ""), re.MULTILINE)
    documented = [(code, words.split(";")[0]) for code, words in rows]
    assert documented == re.findall(r"^ +(\d+) +(.+)$", EXIT_CODES, re.MULTILINE)


def test_documented_metrics_match_the_served_metrics() -> None:
    served: set[str] = set()
    for registry in (Metrics().registry, REGISTRY):
        for metric in registry.collect():
            if metric.name.startswith("report_exports"):
                served.add(f"{metric.name}_total" if metric.type == "counter" else metric.name)
    assert set(re.findall(r"`(report_exports_\w+)`", EVERYTHING)) == served


@pytest.mark.parametrize("code", errors_by_code())
def test_every_error_code_has_a_runbook_section(code: str) -> None:
    assert f"### `{code}`" in PAGES["docs/operations.md"]


def test_every_documented_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    documented = set(re.findall(r"`make ([a-z-]+)", EVERYTHING))
    documented |= set(re.findall(r"^make ([a-z-]+)", EVERYTHING, re.MULTILINE))
    assert documented <= targets


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.strip().lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_has_a_target(page: str) -> None:
    for link in re.findall(r"\]\(([^):]+)\)", PAGES[page]):
        file, _, anchor = link.partition("#")
        target = (ROOT / page).parent / file if file else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_part_of_a_report_is_documented() -> None:
    set_by_the_code = {"name", "title", "file", "masked", "rights", "is_default", "unsortable"}
    parts = set(Report.__dataclass_fields__) - set_by_the_code
    assert {part for part in parts if f"`{part}`" not in PAGES["docs/reports.md"]} == set()


def test_every_csv_option_is_documented_with_its_choices() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*)$", CSV, re.MULTILINE))
    assert {"preset", *rows} >= set(OPTIONS)
    for option, choices in CHOICES.items():
        named = [json.dumps(choice).replace("|", "\\|") for choice in choices if choice is not False]
        assert [choice for choice in named if choice not in rows[option]] == [], option


@pytest.mark.parametrize("preset", PRESETS)
def test_documented_presets_match_the_code(preset: str) -> None:
    rows = re.findall(r"^\| (?:option|`\w+`) \| .*$", CSV, re.MULTILINE)
    head, *options = [re.split(r"(?<!\\)\|", row) for row in rows[: len(OPTIONS)]]
    position = [cell.strip(" `") for cell in head].index(preset)
    for cells in options:
        name = cells[1].strip(" `")
        value = getattr(PRESETS[preset], re.sub(r"[A-Z]", lambda upper: "_" + upper[0].lower(), name))
        assert cells[position].strip(" `") == (value if isinstance(value, str) else json.dumps(value)), name


def python_blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGES[page], re.DOTALL)


@pytest.mark.parametrize(("page", "report"), [("README.md", "customers"), ("docs/tutorial.md", None)])
def test_the_first_report_of_a_page_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str, report: str | None
) -> None:
    module = re.sub(r"\W", "_", page.lower())
    (tmp_path / f"{module}.py").write_text(python_blocks(page)[0], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    reports = catalog((module,))
    assert report is None or report in reports


def test_the_examples_in_the_guide_to_reports_run() -> None:
    namespace: dict[str, object] = {}
    for block in python_blocks("docs/reports.md"):
        exec(block, namespace)  # noqa: S102 - code from our own documentation
    assert sum(isinstance(value, Report) for value in namespace.values()) >= 1


def test_every_report_of_the_repository_is_in_the_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in changelog for name in catalog(("flows.samples",)))


@pytest.mark.parametrize("name", ["client.js", "use-export.js", "export-button.jsx"])
def test_the_documented_react_example_matches_the_tested_files(name: str) -> None:
    code = (ROOT / "docs/react" / name).read_text(encoding="utf-8")
    assert f"```{Path(name).suffix[1:]}\n{code}```" in PAGES["docs/front-end.md"]


def test_the_react_lock_file_names_no_registry() -> None:
    lock = (ROOT / "docs/react/package-lock.json").read_text(encoding="utf-8")
    assert '"integrity"' in lock
    assert "resolved" not in lock
    assert "http" not in lock


def test_every_test_named_in_the_guarantees_exists() -> None:
    paths = re.findall(r"`(\w+/[\w/]+\.py)`", PAGES["docs/guarantees.md"])
    assert paths
    assert [path for path in paths if not (ROOT / "tests" / path).exists()] == []
