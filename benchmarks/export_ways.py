"""Define the export methods that benchmarks/export.py compares."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.pool import NullPool

from benchmarks import compared_report, frame_report
from benchmarks.survey_data import QUESTIONS, Survey
from flows.query import statement
from flows.query.request import parse_request
from flows.reports import catalog
from flows.sources.postgresql import copy_out
from flows.sources.snapshot import open_engine, snapshot

ARTICLE = Path(__file__).with_name("article_way")
LIMIT = "limit"
FEW, MILLION, ALL = 100_000, 1_000_000, 10_000_000


@dataclass(frozen=True)
class Way:
    """A method of exporting the rows. Each method runs as a separate program."""

    name: str
    title: str
    command: Sequence[str]
    # Receives the survey and the PostgreSQL URL, and returns parameters for the program. The program also
    # receives the URL of the database to read, and the bucket and key of the file to write.
    parameters: Callable[[Survey, str], Mapping[str, Any]]
    slow: bool = False  # runs only in every third round
    max_rows: int = ALL  # not measured with more rows than this
    sqlite: bool = False  # reads the same rows from an SQLite file
    missing: Callable[[], str] = field(default=lambda: "")  # returns the reason why it cannot run, or ""


def _python(module: str) -> list[str]:
    return [sys.executable, "-P", "-m", f"benchmarks.{module}"]


def _ours(
    report: str = "survey-responses", program: Mapping[str, bool] | None = None, **csv: Any
) -> Callable[[Survey, str], Mapping[str, Any]]:
    def parameters(survey: Survey, _: str) -> Mapping[str, Any]:
        return {"request": {**survey.request, "report": report, "csv": csv}, **(program or {})}

    return parameters


def _ours_as(name: str) -> Callable[[Survey, str], Mapping[str, Any]]:
    return lambda survey, _: {"request": {**survey.request, "format": name}}


def _workbook_by(library: str, package: str, needs: str = "") -> Way:
    def missing() -> str:
        return "" if all(map(find_spec, (package, needs or package))) else f"{library} is not installed"

    def parameters(survey: Survey, _: str) -> Mapping[str, Any]:
        return {"sql": survey.select, "library": package}

    return Way(
        package, f"XLSX by {library}", XLSX_PROGRAM, parameters, slow=True, max_rows=MILLION, missing=missing
    )


def _hand_written(**options: Any) -> Callable[[Survey, str], Mapping[str, Any]]:
    return lambda survey, _: {"sql": survey.select, **options}


def _hand_written_for_sqlite(survey: Survey, _: str) -> Mapping[str, Any]:
    return {"sql": survey.select_of_sqlite, "chunks": True}


def _same_select(survey: Survey, database_url: str) -> Mapping[str, Any]:
    """Return the query that the service runs, with the parameter values inlined."""
    request = parse_request(survey.request, catalog(("flows.samples",)))
    engine = open_engine(database_url.replace("://", "+psycopg://", 1), 5, poolclass=NullPool)
    with snapshot(engine, "UTC", 60, lambda: datetime.now(UTC)) as opened:
        columns = statement.output_columns(request, opened.questions(statement.questions(request)))
        rows = copy_out.select_rows(request, columns, request.options)
        driver: Any = opened.connection.connection.driver_connection
        sql = psycopg.ClientCursor(driver).mogrify(*copy_out.compiled(opened, rows))
    return {"sql": sql}


def _article(survey: Survey, _: str) -> Mapping[str, Any]:
    return {"sql": survey.select_with_json, "questions": list(QUESTIONS)}


def _no_obstore() -> str:
    return "" if find_spec("obstore") else "obstore is not installed"


def _no_node() -> str:
    """Return the reason why Node.js cannot be used, or "" if it can.

    Installs the npm packages if they are missing.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return "Node.js is not installed"
    if not (ARTICLE / "node_modules").exists():
        install = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        npm_ci = subprocess.run(install, cwd=ARTICLE, capture_output=True, check=False)  # noqa: S603 - fixed arguments
        return "" if npm_ci.returncode == 0 else "its npm packages could not be installed"
    return ""


LIMIT_PROGRAM, OUR_PROGRAM, PANDAS_PROGRAM = map(_python, ("way_limit", "way_ours", "way_pandas"))
XLSX_PROGRAM = _python("way_xlsx")
ARTICLE_PROGRAM = ["node", str(ARTICLE / "way.js")]

WAYS = (
    # The LIMIT program runs the same query as the service and produces the same records. With the
    # hand-written queries, PostgreSQL determines how dates and lists are formatted.
    Way(LIMIT, "the limit: psql COPY | multipart", LIMIT_PROGRAM, _same_select),
    Way("by-hand", "the same with a select by hand", LIMIT_PROGRAM, _hand_written()),
    Way("copy", "ours, copy", OUR_PROGRAM, _ours()),
    Way("frame", "ours, frame", OUR_PROGRAM, _ours(frame_report.REPORT.name)),
    Way(
        "copy-obstore",
        "ours, copy, upload by obstore",
        OUR_PROGRAM,
        _ours(program={"obstore": True}),
        max_rows=MILLION,
        missing=_no_obstore,
    ),
    Way(
        "copy-compared",
        "ours, copy, all keys compared",
        OUR_PROGRAM,
        _ours(compared_report.REPORT.name),
        max_rows=MILLION,
    ),
    Way(  # only for the discarding sink, because other storage rejects the wrong MD5
        "copy-without-md5",
        "ours, copy, without MD5",
        OUR_PROGRAM,
        _ours(program={"without_md5": True}),
        max_rows=MILLION,
    ),
    Way("copy-gzip", "ours, copy, gzip", OUR_PROGRAM, _ours(compression="gzip"), max_rows=MILLION),
    Way("copy-zip", "ours, copy, zip", OUR_PROGRAM, _ours(compression="zip"), max_rows=MILLION),
    Way("xlsx", "ours, XLSX", OUR_PROGRAM, _ours_as("xlsx")),
    Way("parquet", "ours, Parquet", OUR_PROGRAM, _ours_as("parquet")),
    Way("jsonl", "ours, JSON Lines", OUR_PROGRAM, _ours_as("jsonl")),
    _workbook_by("XlsxWriter, constant_memory", "xlsxwriter"),
    _workbook_by("PyExcelerate", "pyexcelerate"),
    _workbook_by("Polars", "polars", needs="xlsxwriter"),
    _workbook_by("DuckDB", "duckdb"),
    Way("pandas-chunks", "pandas, in chunks", PANDAS_PROGRAM, _hand_written(chunks=True), slow=True),
    Way(
        "pandas",
        "pandas, at once",
        PANDAS_PROGRAM,
        _hand_written(chunks=False),
        slow=True,
        max_rows=MILLION,
    ),
    Way("sqlite", "ours, from SQLite", OUR_PROGRAM, _ours(), max_rows=MILLION, sqlite=True),
    Way(
        "sqlite-pandas",
        "pandas, in chunks, from SQLite",
        PANDAS_PROGRAM,
        _hand_written_for_sqlite,
        slow=True,
        max_rows=MILLION,
        sqlite=True,
    ),
    Way(
        "article",
        "the article's way: Node, all in memory",
        ARTICLE_PROGRAM,
        _article,
        slow=True,
        max_rows=MILLION,
        missing=_no_node,
    ),
)
