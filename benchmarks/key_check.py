"""Measure the cost of checking a report's key, relative to reading all rows of a survey.

`proved` is the survey report. Its key is the primary key of its only table, so it is known to be unique.
`compared` is the same report, except that it reads from a subquery. Its key is not known to be unique, so the
database has to compare all keys.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy.pool import NullPool

from benchmarks import compared_report
from benchmarks.outcome import print_result, print_table
from benchmarks.survey_data import Survey, copy_to_mariadb, copy_to_sqlite, create_database
from flows.query import statement
from flows.query.request import ExportRequest, parse_request
from flows.reports import catalog
from flows.samples.survey_responses import REPORT
from flows.sources import choose
from flows.sources.keys import key_check
from flows.sources.protocol import Reading
from flows.sources.snapshot import Snapshot, open_engine, snapshot
from tests.support import mariadb, postgres

SECONDS = 600
DATABASES = POSTGRESQL, SQLITE, MARIADB = "PostgreSQL", "SQLite", "MariaDB"
BUFFER_POOL = "1G"  # a million rows fit into it, as they fit into the caches of the other databases


def now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def opened(url: str) -> Iterator[Snapshot]:
    engine = open_engine(url, 5, poolclass=NullPool)
    with snapshot(engine, "UTC", SECONDS, now) as source:
        yield source


def seconds_of(work: Callable[[], object]) -> float:
    started_at = time.perf_counter()
    work()
    return time.perf_counter() - started_at


def read_all(source: Snapshot, request: ExportRequest) -> None:
    for _ in choose.rows(Reading(source, request, now)):
        pass


def measure(url: str, survey: Survey, rounds: int) -> dict[str, float]:
    """Return the median duration of each operation in seconds. Each round measures both reports."""
    reports = {"proved": catalog(("flows.samples",))[REPORT.name], "compared": compared_report.REPORT}
    requests = {
        name: parse_request({**survey.request, "report": report.name}, {report.name: report})
        for name, report in reports.items()
    }
    seconds: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        for name, request in requests.items():
            times = measure_once(url, request)
            for operation, value in times.items() if number else ():  # round 0 only warms up the caches
                seconds.setdefault(f"{operation}, {name}", []).append(value)
    return {operation: median(values) for operation, values in seconds.items()}


def measure_once(url: str, request: ExportRequest) -> dict[str, float]:
    with opened(url) as source:
        source.scalar(statement.count(request))  # warms up the caches before both timed calls
        count = seconds_of(lambda: source.scalar(statement.count(request)))
        check = seconds_of(lambda: key_check.count_rows(source, request))
    with opened(url) as source:
        read = seconds_of(lambda: read_all(source, request))
    return {"count": count, "count and check": check, "read": read}


def share(medians: dict[str, float], name: str) -> float:
    added = medians[f"count and check, {name}"] - medians[f"count, {name}"]
    return 100 * added / (medians[f"read, {name}"] - added)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.key_check", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--databases", nargs="+", default=DATABASES, choices=DATABASES)
    options = parser.parse_args()
    survey = Survey(options.rows)
    results: dict[str, Any] = {}
    with databases(survey, options.databases) as urls:
        for database, database_url in urls.items():
            medians = measure(database_url, survey, options.rounds)
            results[database] = {name: round(share(medians, name), 2) for name in ("proved", "compared")}
            print_table((f"{database}, {options.rows:,} rows", "s"), list(medians.items()))
    print_result(benchmark="key_check", rows=options.rows, percent_of_reading=results)


@contextmanager
def databases(survey: Survey, names: Sequence[str]) -> Iterator[dict[str, str]]:
    """Create the survey in each of the databases, and yield the URLs of the databases by name."""
    urls: dict[str, str] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        url = create_database(stack.enter_context(postgres.running()), [survey])
        if POSTGRESQL in names:
            urls[POSTGRESQL] = url.replace("://", "+psycopg://", 1)
        if SQLITE in names:
            urls[SQLITE] = copy_to_sqlite(url, [survey], folder / "survey.db")
        if MARIADB in names:
            server = stack.enter_context(mariadb.running(BUFFER_POOL))
            urls[MARIADB] = copy_to_mariadb(url, survey, server)
        yield urls


if __name__ == "__main__":
    main()
