"""A report that cannot work stops the API's start, and the message names the file and what is wrong in it."""

import subprocess

import pytest

from tests.support.extra_processes import extra_processes
from tests.support.running_stack import Stack

STOPPED_WITHIN_SECONDS = 60
HEAD = """
from sqlalchemy import column, select

from flows.reports import Heading, Report
from flows.reports.orders import orders

"""
REPORT = 'REPORT = Report(name="{name}", title="X", select=select({columns}), key=orders.c.id{more})\n'


def report(name: str, columns: str = "orders.c.number", more: str = "") -> str:
    return HEAD + REPORT.format(name=name, columns=columns, more=more)


# The module's text, and what the message must name.
BROKEN = {
    "heading_of_no_column": (report("a", more=", headings={'totl': Heading()}"), "totl"),
    "sort_by_no_column": (report("b", more=", sort='-totl'"), "totl"),
    "column_of_no_table": (report("c", columns="orders.c.number, column('totl')"), "totl"),
    "filter_of_no_column": (report("d", more=", filters={'total': orders.c.totl}"), "totl"),
    "name_taken": (report("orders"), "orders"),
    "no_report": ("rows = 1\n", "REPORT"),
}


@pytest.fixture(scope="module")
def stopped(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Each start's exit code and last words."""
    folder = tmp_path_factory.mktemp("broken")
    found: dict[str, tuple[int, str]] = {}
    running: dict[str, subprocess.Popen[bytes]] = {}
    with extra_processes(stack) as processes:
        path = processes.environment()["PYTHONPATH"]
        command = ("-m", "uvicorn", "--factory", "api.app:create_app", "--port", "0")
        for name, (text, _) in BROKEN.items():
            (folder / f"{name}.py").write_text(text)
            settings = {"REPORTS_CATALOG": name, "PYTHONPATH": f"{path}:{folder}"}
            running[name] = processes.start(*command, **settings)
        for name, process in running.items():
            found[name] = (process.wait(STOPPED_WITHIN_SECONDS), processes.output(process))
    return found


@pytest.mark.parametrize("name", BROKEN)
def test_the_start_fails_and_says_where(stopped: dict[str, tuple[int, str]], name: str) -> None:
    code, said = stopped[name]
    assert code != 0
    last = [line for line in said.splitlines() if "DeclarationError" in line][-1]
    assert f"{name}.py" in last
    assert BROKEN[name][1] in last
