"""Run docs/tutorial.md step by step in an empty folder, with the wheel and a new PostgreSQL server."""

import csv
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from deployments.stack.parts import postgres as embedded
from tests.support import installed_wheel, postgres
from tests.support.installed_wheel import ROOT
from tests.support.running_stack import clean_environment
from tests.support.tutorial import Block, Terminals, read_blocks

TUTORIAL = ROOT / "docs" / "tutorial.md"
BLOCKS = list(read_blocks(TUTORIAL))
MAX_SECONDS = 600
pytestmark = pytest.mark.timeout(MAX_SECONDS)
# The user's own table. It has the name of a sample table but different columns.
OTHER_TABLE = "CREATE TABLE survey_responses (response uuid PRIMARY KEY, mood int)"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the bin folder of a new virtual environment and the path of a wheel to install in it."""
    folder = tmp_path_factory.mktemp("installed")
    return installed_wheel.create_environment(folder / "environment"), installed_wheel.build(folder)


@pytest.fixture(scope="module")
def terminals(programs: tuple[Path, Path]) -> Iterator[Terminals]:
    """Yield terminals that start in an empty folder."""
    bin_folder, wheel = programs
    with (
        postgres.running() as url,
        TemporaryDirectory(prefix="tutorial-", ignore_cleanup_errors=True) as folder,
    ):
        server = urlsplit(url)
        environment = {
            **{name: value for name, value in clean_environment().items() if name != "PYTHONPATH"},
            "PATH": os.pathsep.join(
                [str(bin_folder), str(Path(embedded.binary("psql")).parent), os.environ["PATH"]]
            ),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(server.port),
            "PGUSER": "postgres",
            "PGPASSWORD": server.password or "",
        }
        replacements = {
            "127.0.0.1:5432": f"127.0.0.1:{server.port}",
            "pip install 'report-exports[local]'": f"python -m pip install --no-deps -I {wheel}",
            # The environment already exists and shares the dependencies of the test environment.
            "python3 -m venv .venv\n. .venv/bin/activate\n": "",
        }
        started = Terminals(Path(folder), environment, replacements)
        yield started
        started.stop()


@pytest.fixture(scope="module")
def finished(terminals: Terminals) -> Terminals:
    """Run the tutorial, but do not stop the service that its last section starts."""
    for block in BLOCKS:
        terminals.run(block)
        if "CREATE ROLE" in block.text:
            _run_sql(terminals, OTHER_TABLE)
    return terminals


def _run_sql(terminals: Terminals, statement: str) -> list[tuple[object, ...]]:
    environment = terminals.environment
    with closing(
        psycopg.connect(
            host="127.0.0.1",
            port=environment["PGPORT"],
            user="postgres",
            password=environment["PGPASSWORD"],
            dbname="shop",
            autocommit=True,
        )
    ) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def read_file(terminals: Terminals, name: str) -> list[dict[str, str]]:
    with (terminals.folder / name).open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def test_the_tutorial_takes_less_than_ten_minutes(
    finished: Terminals, capsys: pytest.CaptureFixture[str]
) -> None:
    total = sum(finished.seconds.values())
    lines = [f"{seconds:6.1f} s  {section}\n" for section, seconds in finished.seconds.items()]
    with capsys.disabled():
        sys.stdout.writelines(["\n", *lines, f"{total:6.1f} s  docs/tutorial.md\n"])
    assert total < MAX_SECONDS


@pytest.mark.parametrize(
    ("file", "condition"),
    [
        ("july.csv", "status = 'paid'"),
        ("july-of-customer-7.csv", "customer_id = 7"),
        ("with-key.csv", "customer_id = 7"),
    ],
)
def test_an_exported_file_contains_the_rows_of_the_table(
    finished: Terminals, file: str, condition: str
) -> None:
    query = (
        f"SELECT id::text, amount::text FROM orders WHERE {condition}"  # noqa: S608 - our own condition
        " AND placed_at >= '2024-07-01 00:00Z' AND placed_at < '2024-08-01 00:00Z' ORDER BY orders.id"
    )
    rows = read_file(finished, file)
    amount = "Amount (EUR)" if "Amount (EUR)" in rows[0] else "Amount"
    exported = sorted(((row["Id"], row[amount]) for row in rows), key=lambda row: int(row[0]))
    assert exported == _run_sql(finished, query)
    assert len(exported) > 50


def test_the_schedule_exported_last_week(finished: Terminals) -> None:
    assert len({row["Placed at"][:10] for row in read_file(finished, "week.csv")}) == 7


def test_only_the_users_reports_exist(finished: Terminals) -> None:
    headers = {"Authorization": f"Bearer {finished.environment['REPORTS_API_KEY']}"}
    url = finished.environment["REPORTS_API_URL"]
    answer = httpx.get(f"{url}/report-types", headers=headers, timeout=30).raise_for_status().json()
    assert [item["name"] for item in answer["items"]] == ["orders"]
    assert httpx.get(f"{url}/report-types", timeout=30).status_code == 401


def test_up_says_what_it_starts_and_reads(finished: Terminals) -> None:
    assert (
        "PostgreSQL is started for Prefect (set PREFECT_API_URL to use your own server)." in finished.output
    )
    assert f"Settings are read from {finished.folder.resolve()}/.env." in finished.output
    assert "Sample data" not in finished.output


def test_the_test_of_the_project_passes(finished: Terminals) -> None:
    finished.run(Block("test", "python -m unittest discover -s tests\n", None))
