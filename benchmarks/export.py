"""Measure how fast this service, psql, pandas and Node.js export database rows to a CSV file in S3.

These export methods take turns. Each turn runs in new processes and is timed from the start signal until the
object is stored.
"""

import argparse
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import export_plots
from benchmarks.export_findings import Findings, Result, Scenario, ratio
from benchmarks.export_ways import ALL, FEW, LIMIT, MILLION, OUR_PROGRAM, WAYS, Way
from benchmarks.measured_process import MeasurementFailed, measure_process
from benchmarks.measured_storage import SINK, WEED, Target, discarding_sink, open_target
from benchmarks.outcome import print_line, print_result, print_table
from benchmarks.survey_data import Survey, copy_to_sqlite, create_database
from deployments.warm_worker.processes.pool import ENVIRONMENT
from tests.support.running_stack import Stack, clean_environment, temporary_stack

ROOT = Path(__file__).resolve().parent.parent
ROUNDS_PER_SLOW_TURN = 3
NONE = "-"


class Bench:
    """A stack with test data and S3 targets. `findings` contains the results of all turns."""

    def __init__(self, stack: Stack, database_url: str, sqlite_url: str, targets: Sequence[Target]) -> None:
        self.stack, self.targets = stack, targets
        self.database_url, self.sqlite_url = database_url, sqlite_url
        self.findings: defaultdict[Scenario, dict[str, Result]] = defaultdict(dict)

    def round(self, number: int, surveys: Sequence[Survey], ways: Sequence[Way]) -> None:
        for survey in surveys:
            for target in self.targets:
                participants = [way for way in ways if takes_part(way, survey.rows, number)]
                start = number % max(1, len(participants))
                # The order rotates, because a turn can affect the next one.
                for way in (*participants[start:], *participants[:start]):
                    self.turn(number, survey, target, way)

    def turn(self, number: int, survey: Survey, target: Target, way: Way) -> None:
        result = self.findings[Scenario(target.name, survey.rows)].setdefault(way.name, Result())
        if result.failure:
            return
        result.failure = way.missing()
        if not result.failure:
            try:
                self._measure(number, survey, target, way, result)
            except MeasurementFailed as failure:
                result.failure = str(failure)
                sys.stderr.write(self._log(way).read_text(errors="replace")[-3000:])
        outcome = result.failure or f"{result.turns[number].seconds:.2f} s"
        print_line(f"round {number + 1}, {target.name}, {survey.rows:,} rows, {way.title}: {outcome}")

    def _measure(self, number: int, survey: Survey, target: Target, way: Way, result: Result) -> None:
        with target.bucket(f"turn-{number}-{survey.rows}-{way.name}") as bucket:
            url = self.sqlite_url if way.sqlite else self.database_url
            location = {"database_url": url, "bucket": bucket, "key": "file.csv"}
            parameters = {**location, **way.parameters(survey, self.database_url)}
            os.sync()  # flush writes left over from the previous turn, so that they do not slow down this one
            environment = self._environment(target, bucket, url)
            if way.command == OUR_PROGRAM:
                environment |= ENVIRONMENT
            timeout = 60 + survey.rows / 2000
            measurement = measure_process(way.command, parameters, environment, timeout, self._log(way))
            result.stored_bytes = sum(stored["Size"] for stored in target.objects(bucket))
            if not result.turns and target.name == WEED and survey.rows <= FEW:
                _check(target.count_records(bucket), survey.rows)
            result.turns[number] = measurement

    def _log(self, way: Way) -> Path:
        return self.stack.data_dir / f"way-{way.name}.log"

    def _environment(self, target: Target, bucket: str, url: str) -> dict[str, str]:
        return {
            **clean_environment(),
            **self.stack.settings,
            **target.environment,
            "AWS_REGION": target.environment["AWS_DEFAULT_REGION"],  # for the JavaScript SDK
            "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
            "REPORTS_DATABASE_URL": url.replace("postgresql://", "postgresql+psycopg://", 1),
            "REPORTS_STORAGE_URL": f"s3://{bucket}",
            "REPORTS_CATALOG": "flows.samples,benchmarks.frame_report,benchmarks.compared_report",
            "NO_PROXY": "127.0.0.1",
            "PYTHONPATH": str(ROOT),
        }


def takes_part(way: Way, rows: int, number: int) -> bool:
    slow = way.slow or rows > MILLION
    return rows <= way.max_rows and (not slow or number % ROUNDS_PER_SLOW_TURN == 0)


def _check(records: int, rows: int) -> None:
    if records != rows:
        raise MeasurementFailed(f"stored {records:,} rows")


@contextmanager
def open_bench(surveys: Sequence[Survey], names: Sequence[str], ways: Sequence[Way]) -> Iterator[Bench]:
    with temporary_stack() as stack, discarding_sink() as sink_url:
        print_line("creating the rows ...")
        database_url = create_database(stack.libpq_url, surveys)
        few = [
            survey for survey in surveys if any(way.sqlite and survey.rows <= way.max_rows for way in ways)
        ]
        sqlite_url = copy_to_sqlite(database_url, few, stack.data_dir / "measured.db")
        urls = {WEED: stack.s3_endpoint_url, SINK: sink_url}
        yield Bench(
            stack, database_url, sqlite_url, [open_target(name, urls[name], stack.aws) for name in names]
        )


def print_findings(findings: Findings, ways: Sequence[Way]) -> None:
    for scenario, results in findings.items():
        print_line()
        print_line(f"{scenario.rows:,} rows to {scenario.target}")
        rows = [table_row(findings, scenario, way, results[way.name]) for way in ways if way.name in results]
        print_table(
            ("way", "of the limit", "s", "min", "max", "CPU s", "MB/s", "file MB", "peak MB", "turns"), rows
        )
        for way in ways:
            if way.name in results and results[way.name].failure:
                print_line(f"{NONE} {way.title}: {results[way.name].failure}")
            elif scenario.rows > way.max_rows:
                print_line(f"{NONE} {way.title}: measured only up to {way.max_rows:,} rows")


def table_row(findings: Findings, scenario: Scenario, way: Way, result: Result) -> Sequence[object]:
    if not result.turns:
        return (way.title, *[NONE] * 8, 0)
    seconds = [turn.seconds for turn in result.turns.values()]
    of_limit = ratio(findings, scenario, way.name)
    return (
        way.title,
        NONE if of_limit is None else of_limit,
        result.seconds,
        min(seconds),
        max(seconds),
        result.cpu_seconds,
        result.stored_bytes / 1e6 / result.seconds,
        result.stored_bytes / 1e6,
        f"{result.peak_mb:,.0f}",
        len(seconds),
    )


def json_results(findings: Findings) -> list[dict[str, object]]:
    return [
        {
            "target": scenario.target,
            "rows": scenario.rows,
            "way": name,
            "of_the_limit": of_limit and round(of_limit, 3),
            "seconds": round(result.seconds, 3),
            "cpu_seconds": round(result.cpu_seconds, 2),
            "peak_mb": round(result.peak_mb),
            "stored_mb": round(result.stored_bytes / 1e6, 2),
        }
        for scenario, results in findings.items()
        for name, result in results.items()
        if result.turns
        for of_limit in [ratio(findings, scenario, name)]
    ]


def parse_arguments() -> argparse.Namespace:
    names = [way.name for way in WAYS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.export", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[FEW, MILLION])
    parser.add_argument("--big", action="store_true", help=f"also measure {ALL:,} rows")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--ways", nargs="+", default=names, choices=names, metavar="WAY", help=", ".join(names)
    )
    parser.add_argument("--targets", nargs="+", default=[WEED, SINK], choices=[WEED, SINK])
    parser.add_argument("--plots", type=Path, help="folder to write the plots to")
    return parser.parse_args()


def main() -> None:
    # Exit through the context managers, because they end all child processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    options = parse_arguments()
    ways = [way for way in WAYS if way.name in {LIMIT, *options.ways}]
    surveys = [Survey(rows) for rows in sorted({*options.rows, *([ALL] if options.big else [])})]
    interrupted = False
    with open_bench(surveys, options.targets, ways) as bench:
        try:
            for number in range(options.rounds):
                bench.round(number, surveys, ways)
        except KeyboardInterrupt:
            interrupted = True
            print_line("Interrupted. Results so far:")
        findings = bench.findings
    print_findings(findings, ways)
    if options.plots and findings:
        export_plots.draw(findings, ways, options.plots)
    print_result(
        benchmark="export", rounds=options.rounds, cores=os.cpu_count(), results=json_results(findings)
    )
    sys.exit(130 if interrupted else 0)


if __name__ == "__main__":
    main()
