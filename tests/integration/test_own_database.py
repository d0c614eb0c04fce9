"""Test `new` and `check` with tables and views in PostgreSQL, SQLite and MariaDB."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from deployments.cli import main
from deployments.roles.settings import load_settings
from deployments.stack.environment import Replaced
from deployments.stack.preflight import find_problems
from flows.reports import load_reports
from flows.sources.database_url import with_driver
from tests.support import mariadb, postgres

TABLES = """
CREATE TABLE customers (
    id int PRIMARY KEY, full_name varchar(50) NOT NULL, email varchar(50), vip {boolean} NOT NULL
);
CREATE TABLE orders (
    number int PRIMARY KEY, customer int NOT NULL REFERENCES customers (id), placed {timestamp} NOT NULL,
    status varchar(10) NOT NULL, items int, amount decimal(12, 2)
);
CREATE INDEX orders_placed ON orders (placed);
CREATE TABLE {q}Order Items{q} ({q}Order No{q} int NOT NULL, {q}from{q} int NOT NULL, note varchar(20),
    PRIMARY KEY ({q}Order No{q}, {q}from{q}));
CREATE VIEW open_orders AS SELECT number, status FROM orders WHERE status = 'open';
CREATE TABLE events (at {timestamp}, what varchar(10));
INSERT INTO customers VALUES (1, 'Ada', 'ada@example.org', {true}), (2, 'Bob', NULL, {false});
INSERT INTO {q}Order Items{q} VALUES (1, 1, 'a'), (1, 2, 'b'), (2, 1, 'c');
INSERT INTO events VALUES (NULL, 'x'), (NULL, 'x');
"""
POSTGRESQL = """
CREATE SCHEMA sales;
CREATE TYPE sales.mood AS ENUM ('good', 'bad');
CREATE TABLE sales.visits (
    id uuid PRIMARY KEY, mood sales.mood NOT NULL, tags text[], address inet, at timestamptz
);
INSERT INTO sales.visits VALUES ('899e1228-d7b8-40fc-8490-70e6f1efb338', 'good', '{a,b}', '10.0.0.1', now());
CREATE MATERIALIZED VIEW totals AS SELECT id AS customer, count(*) AS n FROM customers GROUP BY id;
CREATE ROLE reader LOGIN PASSWORD 'secret';
GRANT SELECT ON customers TO reader;
"""
WORDS = {
    "sqlite": {"boolean": "boolean", "timestamp": "datetime", "q": '"', "true": "1", "false": "0"},
    "postgresql": {
        "boolean": "boolean",
        "timestamp": "timestamptz",
        "q": '"',
        "true": "true",
        "false": "false",
    },
    "mariadb": {"boolean": "boolean", "timestamp": "datetime", "q": "`", "true": "1", "false": "0"},
}


def fill(url: str, kind: str) -> None:
    engine = create_engine(with_driver(url))
    statements = TABLES.format(**WORDS[kind]) + (POSTGRESQL if kind == "postgresql" else "")
    with engine.begin() as connection:
        for statement in filter(str.strip, statements.split(";")):
            connection.exec_driver_sql(statement)
        for number in range(60):
            row = {
                "n": number,
                "s": ("open", "paid")[number % 2],
                "p": f"2024-07-{1 + number % 28:02} 12:00:00",
            }
            connection.execute(text("INSERT INTO orders VALUES (:n, 1 + :n % 2, :p, :s, 1, 9.50)"), row)
    engine.dispose()


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with postgres.running() as postgresql, mariadb.running() as maria:
        file = tmp_path_factory.mktemp("own") / "own.db"
        yield {"sqlite": f"sqlite:///{file}", "postgresql": postgresql, "mariadb": maria}


@pytest.fixture(scope="module")
def filled(urls: dict[str, str]) -> dict[str, str]:
    for kind, url in urls.items():
        fill(url, kind)
    return urls


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Return a function that runs a command in a new project and returns its exit code and output."""
    project = f"project_{tmp_path.name}".replace("-", "_")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("REPORTS_CATALOG", project)
    (tmp_path / project).mkdir()
    (tmp_path / project / "__init__.py").touch()

    def command(url: str, *arguments: str) -> tuple[int, str]:
        monkeypatch.setenv("REPORTS_DATABASE_URL", url)
        if arguments[0] == "new":
            arguments = (*arguments, "-o", f"{project}/made_{len(list((tmp_path / project).iterdir()))}.py")
        load_reports.cache_clear()
        capsys.readouterr()
        code = main([*arguments])
        output = capsys.readouterr()
        return code, output.out + output.err

    yield command
    load_reports.cache_clear()
    for name in [name for name in sys.modules if name.startswith(project)]:
        del sys.modules[name]


def test_a_report_is_written_for_and_checked_against_another_database(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    main, other = (f"sqlite:///{tmp_path}/{name}.db" for name in ("main", "other"))
    fill(other, "sqlite")
    monkeypatch.setenv("REPORTS_DATABASES", json.dumps({"other": other}))
    assert run(main, "new", "customers")[0] == 2
    code, output = run(main, "new", "customers", "--database", "another")
    assert (code, "has no database 'another'. Databases: other." in output) == (2, True)
    code, output = run(main, "new", "customers", "--database", "other")
    assert code == 0
    assert 'database="other",' in Path(output.partition("\n")[0]).read_text()
    assert run(main, "check")[0] == 0
    monkeypatch.delenv("REPORTS_DATABASES")
    code, output = run(main, "check")
    assert (code, "The database 'other' is not in REPORTS_DATABASES." in output) == (1, True)


CASES = [
    (kind, table, options)
    for kind in WORDS
    for table, options in [
        ("customers", []),
        ("orders", []),
        ("Order Items", ["--name", "order-items"]),
        ("open_orders", ["--key", "number"]),
    ]
] + [
    ("postgresql", "sales.visits", []),
    ("postgresql", '"sales"."visits"', []),
    ("postgresql", "totals", ["--key", "customer"]),
    ("mariadb", "reports.orders", []),
]


@pytest.mark.parametrize(("kind", "table", "options"), CASES)
def test_a_new_report_passes_the_check(
    filled: dict[str, str], run: Run, kind: str, table: str, options: list[str]
) -> None:
    code, output = run(filled[kind], "new", table, *options)
    assert code == 0, output
    code, output = run(filled[kind], "check")
    assert code == 0, output
    assert "First page:" in output
    assert "No errors" in output


def test_a_new_report_has_guesses_to_edit(filled: dict[str, str], run: Run) -> None:
    for table in ("customers", "orders"):
        run(filled["postgresql"], "new", table)
    customers, orders = (next(Path().glob(f"*/made_{number}.py")).read_text() for number in (1, 2))
    assert '"email": Heading(pii=True)' in customers
    assert '"fullName": Heading(pii=True)' in customers
    assert '"vip": customers.c.vip,' in customers
    assert "period=orders.c.placed," in orders
    assert 'sort="-placed",' in orders
    assert '"customer": orders.c.customer,' in orders
    assert '"status": orders.c.status,  # values: open, paid' in orders
    assert 'orders.c["items"]' in orders


@pytest.mark.parametrize("kind", WORDS)
def test_a_table_without_a_key_is_explained(filled: dict[str, str], run: Run, kind: str) -> None:
    code, output = run(filled[kind], "new", "events")
    assert code == 2
    assert "events has no primary key. Which column is unique and never null?" in output
    assert "Name it with --key COLUMN. Columns: at, what." in output
    assert run(filled[kind], "new", "events", "--key", "what")[0] == 0
    code, output = run(filled[kind], "check", "events")
    assert code == 1
    assert "The report's key events.what is not unique: several rows have the value x." in output


@pytest.mark.parametrize("kind", WORDS)
def test_an_unknown_table_is_explained(filled: dict[str, str], run: Run, kind: str) -> None:
    code, output = run(filled[kind], "new", "order")
    assert code == 2
    assert "There is no table or view 'order'." in output
    assert "orders" in output


@pytest.mark.parametrize("kind", WORDS)
def test_a_missing_index_is_a_warning(filled: dict[str, str], run: Run, kind: str) -> None:
    run(filled[kind], "new", "orders")
    file = next(Path().glob("*/made_1.py"))
    scope = '    scope={"status": "status"},\n    key='
    file.write_text(file.read_text().replace("    key=", scope, 1).replace('"status": orders.c.status', "#"))
    code, output = run(filled[kind], "check", "orders")
    assert code == 0, output
    assert "warning  No index for the scope 'status'. Create one" in output
    assert "No index for the period" not in output
    assert run(filled[kind], "check", "orders", "--strict")[0] == 1


def test_a_missing_right_is_an_error(filled: dict[str, str], run: Run) -> None:
    run(filled["postgresql"], "new", "orders")
    reader = filled["postgresql"].replace(filled["postgresql"].split("@")[0], "postgresql://reader:secret")
    for command in (["check"], ["new", "orders"]):
        code, output = run(reader, *command)
        assert code == 1
        assert (
            "Permission denied for table orders. Grant SELECT to the role of REPORTS_DATABASE_URL." in output
        )


@pytest.mark.parametrize("kind", WORDS)
def test_rows_without_a_period_are_a_warning(filled: dict[str, str], run: Run, kind: str) -> None:
    run(filled[kind], "new", "events", "--key", "what")
    text = next(Path().glob("*/made_1.py")).read_text()
    assert "# Rows in which it is null are never exported.\n    period=events.c.at," in text
    output = run(filled[kind], "check")[1]
    assert "warning  The period is null in 2 rows, which no export contains." in output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check"], "No report has been declared. Write one with `report-exports new TABLE`"),
        (["new", "orders", "--key", "nothing"], "--key: no column is named 'nothing'. Columns: number,"),
        (["new", "orders", "--name", "My Orders"], "--name: 'My Orders' must be lower-case words"),
    ],
)
def test_a_wrong_command_is_explained(
    filled: dict[str, str], run: Run, arguments: list[str], sentence: str
) -> None:
    code, output = run(filled["sqlite"], *arguments)
    assert code == 2
    assert sentence in output


def test_an_unreachable_database_is_explained(run: Run) -> None:
    code, output = run("postgresql://127.0.0.1:1/x", "new", "orders")
    assert code == 1
    assert "The database cannot be read: " in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("user", "database", "reason"),
    [
        ("postgres:wrong", "postgres", 'password authentication failed for user "postgres"'),
        ("nobody:x", "postgres", 'password authentication failed for user "nobody"'),
        (None, "missing", 'database "missing" does not exist'),
    ],
)
def test_an_unusable_database_is_explained_before_the_start(
    urls: dict[str, str], user: str | None, database: str, reason: str
) -> None:
    login, host = urls["postgresql"].removeprefix("postgresql://").split("@")
    url = f"postgresql://{user or login}@{host.partition('/')[0]}/{database}"
    settings = {"REPORTS_DATABASE_URL": url}
    problems = list(find_problems(load_settings(settings), Replaced.from_environment(settings)))
    expected = f"The database in REPORTS_DATABASE_URL cannot be used: {reason}."
    assert problems == [f"{expected} The service starts and waits for it."]
