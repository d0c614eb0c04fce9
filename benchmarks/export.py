"""Rows of a database to a CSV file in S3: the limit of the machine, ours, pandas, the article's way.

One run, in turns; each turn in processes of its own, timed from the word to the stored object.
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
from benchmarks.export_findings import Findings, Found, Place, ratio
from benchmarks.export_ways import ALL, FEW, LIMIT, MILLION, WAYS, Way
from benchmarks.exporting import separate_stack
from benchmarks.measured_process import MeasurementFailed, measure_process
from benchmarks.measured_storage import SINK, WEED, Target, discarding_sink, open_target
from benchmarks.outcome import print_line, print_result, print_table
from benchmarks.survey_data import Survey, copy_to_sqlite, make
from tests.support.running_stack import Stack, clean_environment

ROOT = Path(__file__).resolve().parent.parent
SLOW_WAYS_EACH_ROUNDS = 3
NONE = "-"


class Field:
    """The stack, the data and the targets on which the ways are measured."""

    def __init__(self, stack: Stack, database_url: str, sqlite_url: str, targets: Sequence[Target]) -> None:
        self.stack, self.targets = stack, targets
        self.database_url, self.sqlite_url = database_url, sqlite_url
        self.findings: defaultdict[Place, dict[str, Found]] = defaultdict(dict)

    def round(self, number: int, surveys: Sequence[Survey], ways: Sequence[Way]) -> None:
        for survey in surveys:
            for where in self.targets:
                each = [way for way in ways if takes_part(way, survey.rows, number)]
                start = number % max(1, len(each))  # with the most rows only some rounds have ways
                for way in (*each[start:], *each[:start]):  # nobody always comes after the same one
                    self.turn(number, survey, where, way)

    def turn(self, number: int, survey: Survey, where: Target, way: Way) -> None:
        found = self.findings[Place(where.name, survey.rows)].setdefault(way.name, Found())
        if found.failure:
            return
        found.failure = way.missing()
        if not found.failure:
            try:
                self._measure(number, survey, where, way, found)
            except MeasurementFailed as failure:
                found.failure = str(failure)
                sys.stderr.write(self._log(way).read_text(errors="replace")[-3000:])
        outcome = found.failure or f"{found.turns[number].seconds:.2f} s"
        print_line(f"round {number + 1}, {where.name}, {survey.rows:,} rows, {way.title}: {outcome}")

    def _measure(self, number: int, survey: Survey, where: Target, way: Way, found: Found) -> None:
        with where.bucket(f"turn-{number}-{survey.rows}-{way.name}") as bucket:
            url = self.sqlite_url if way.sqlite else self.database_url
            place = {"database_url": url, "bucket": bucket, "key": "file.csv"}
            order = {**place, **way.order(survey, self.database_url)}
            os.sync()  # what the turns before have left to be written is not this one's
            environment = self._environment(where, bucket, url)
            within = 60 + survey.rows / 2000
            turn = measure_process(way.command, order, environment, within, self._log(way))
            found.stored_bytes = sum(stored["Size"] for stored in where.objects(bucket))
            if not found.turns and where.name == WEED and survey.rows <= FEW:
                _check(where.count_records(bucket), survey.rows)
            found.turns[number] = turn

    def _log(self, way: Way) -> Path:
        return self.stack.data_dir / f"way-{way.name}.log"

    def _environment(self, where: Target, bucket: str, url: str) -> dict[str, str]:
        return {
            **clean_environment(),
            **self.stack.settings,
            **where.environment,
            "AWS_REGION": where.environment["AWS_DEFAULT_REGION"],  # as Node reads it
            "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
            "REPORTS_DATABASE_URL": url.replace("postgresql://", "postgresql+psycopg://", 1),
            "REPORTS_STORAGE_URL": f"s3://{bucket}",
            "REPORTS_CATALOG": "benchmarks.frame_report",
            "NO_PROXY": "127.0.0.1",
            "PYTHONPATH": str(ROOT),
        }


def takes_part(way: Way, rows: int, number: int) -> bool:
    seldom = way.slow or rows > MILLION
    return rows <= way.most_rows and (not seldom or number % SLOW_WAYS_EACH_ROUNDS == 0)


def _check(records: int, rows: int) -> None:
    if records != rows:
        raise MeasurementFailed(f"stored {records:,} rows")


@contextmanager
def field_of(surveys: Sequence[Survey], names: Sequence[str]) -> Iterator[Field]:
    with separate_stack() as stack, discarding_sink() as sink_url:
        print_line("making the rows ...")
        database_url = make(stack.libpq_url, surveys)
        few = [survey for survey in surveys if survey.rows <= MILLION]
        sqlite_url = copy_to_sqlite(database_url, few, stack.data_dir / "measured.db")
        urls = {WEED: stack.s3_endpoint_url, SINK: sink_url}
        yield Field(
            stack, database_url, sqlite_url, [open_target(name, urls[name], stack.aws) for name in names]
        )


def show(findings: Findings, ways: Sequence[Way]) -> None:
    for place, found in findings.items():
        print_line()
        print_line(f"{place.rows:,} rows to {place.target}")
        rows = [line(findings, place, way, found[way.name]) for way in ways if way.name in found]
        print_table(("way", "of the limit", "s", "min", "max", "CPU s", "MB/s", "peak MB", "turns"), rows)
        for way in ways:
            if way.name in found and found[way.name].failure:
                print_line(f"{NONE} {way.title}: {found[way.name].failure}")
            elif place.rows > way.most_rows:
                print_line(f"{NONE} {way.title}: measured up to {way.most_rows:,} rows")


def line(findings: Findings, place: Place, way: Way, found: Found) -> Sequence[object]:
    if not found.turns:
        return (way.title, *[NONE] * 7, 0)
    seconds = [turn.seconds for turn in found.turns.values()]
    of_limit = ratio(findings, place, way.name)
    return (
        way.title,
        NONE if of_limit is None else of_limit,
        found.seconds,
        min(seconds),
        max(seconds),
        found.cpu_seconds,
        found.stored_bytes / 1e6 / found.seconds,
        f"{found.peak_mb:,.0f}",
        len(seconds),
    )


def facts(findings: Findings) -> list[dict[str, object]]:
    return [
        {
            "target": place.target,
            "rows": place.rows,
            "way": name,
            "of_the_limit": of_limit and round(of_limit, 3),
            "seconds": round(found.seconds, 3),
            "cpu_seconds": round(found.cpu_seconds, 2),
            "peak_mb": round(found.peak_mb),
        }
        for place, ways in findings.items()
        for name, found in ways.items()
        if found.turns
        for of_limit in [ratio(findings, place, name)]
    ]


def parsed() -> argparse.Namespace:
    names = [way.name for way in WAYS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.export", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[FEW, MILLION])
    parser.add_argument("--big", action="store_true", help=f"{ALL:,} rows, too")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--ways", nargs="+", default=names, choices=names, metavar="WAY", help=", ".join(names)
    )
    parser.add_argument("--targets", nargs="+", default=[WEED, SINK], choices=[WEED, SINK])
    parser.add_argument("--plots", type=Path, help="the folder where the plots go")
    return parser.parse_args()


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends all that was started
    options = parsed()
    ways = [way for way in WAYS if way.name in {LIMIT, *options.ways}]
    surveys = [Survey(rows) for rows in sorted({*options.rows, *([ALL] if options.big else [])})]
    interrupted = False
    with field_of(surveys, options.targets) as field:
        try:
            for number in range(options.rounds):
                field.round(number, surveys, ways)
        except KeyboardInterrupt:
            interrupted = True
            print_line("interrupted; this was found until then:")
        findings = field.findings
    show(findings, ways)
    if options.plots and findings:
        export_plots.draw(findings, ways, options.plots)
    print_result(benchmark="export", rounds=options.rounds, cores=os.cpu_count(), found=facts(findings))
    sys.exit(130 if interrupted else 0)


if __name__ == "__main__":
    main()
