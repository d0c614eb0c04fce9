"""Test that the API does not start with a broken report and names its file and the cause."""

import subprocess

import pytest

from tests.support.extra_processes import extra_processes
from tests.support.running_stack import Stack

EXIT_TIMEOUT_SECONDS = 60
HEAD = """
from sqlalchemy import column, select

from flows.reports import Heading, Report
from flows.samples.orders import orders

"""
REPORT = 'REPORT = Report(name="{name}", title="X", select=select({columns}), key=orders.c.id{more})\n'


def report(name: str, columns: str = "orders.c.number", more: str = "") -> str:
    return HEAD + REPORT.format(name=name, columns=columns, more=more)


# Source code of the report and the name that the error must mention. See also tests/unit/reports.
BROKEN = {
    "heading_of_unknown_column": (report("a", more=", headings={'totl': Heading()}"), "totl"),
    "column_without_table": (report("c", columns="orders.c.number, column('totl')"), "totl"),
}


@pytest.fixture(scope="module")
def failed_starts(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Start an API with each broken report and return the exit codes and output."""
    folder = tmp_path_factory.mktemp("broken")
    results: dict[str, tuple[int, str]] = {}
    running: dict[str, subprocess.Popen[bytes]] = {}
    with extra_processes(stack) as processes:
        path = processes.environment()["PYTHONPATH"]
        command = ("-m", "uvicorn", "--factory", "api.app:create_app", "--port", "0")
        for name, (text, _) in BROKEN.items():
            (folder / f"{name}.py").write_text(text)
            settings = {"REPORTS_CATALOG": name, "PYTHONPATH": f"{path}:{folder}"}
            running[name] = processes.start(*command, **settings)
        for name, process in running.items():
            results[name] = (process.wait(EXIT_TIMEOUT_SECONDS), processes.output(process))
    return results


@pytest.mark.parametrize("name", BROKEN)
def test_the_start_fails_and_names_the_file_and_the_error(
    failed_starts: dict[str, tuple[int, str]], name: str
) -> None:
    code, output = failed_starts[name]
    assert code != 0
    error = [line for line in output.splitlines() if "DeclarationError" in line][-1]
    assert f"{name}.py" in error
    assert BROKEN[name][1] in error
