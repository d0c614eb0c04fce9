"""Write a large workbook without a database, and count the rows on each sheet.

This shows that memory usage stays constant and that large exports continue on additional sheets. Use `--by`
to write the same rows with a third-party library for comparison.
"""

import argparse
import resource
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import JSON, Boolean, Column, ColumnElement, DateTime, Integer, Text

from benchmarks.outcome import print_line, print_result
from benchmarks.way_xlsx import LIBRARIES
from flows.formats.protocol import Output
from flows.formats.xlsx.format import XlsxFormat
from flows.rows.arrow_columns import packed, timestamps, unpacked
from flows.rows.columns import OutputColumn, Question, type_name
from flows.rows.pipeline import Chunk
from flows.sources.sqlalchemy_rows import CHUNK_ROWS

START = datetime(2024, 7, 8, 9, tzinfo=UTC)
TEXTS = (
    "wa",
    "Émile Dubois",
    "respondent@example.org",
    "DE",
    "A friendly team, and patient with the children.",
)
ANSWERS = (
    "4",
    "Social media",
    "Science; Robots",
    "27.50",
    "true",
    "2024-07-19",
    "",
    None,
    "=1+2",
    "More benches",
)
READ_BYTES = 1 << 20


def columns() -> list[OutputColumn]:
    plain: dict[str, Any] = {"id": Integer(), "submittedAt": DateTime(timezone=True), "attended": Boolean()}
    plain |= {f"text{number}": Text() for number in range(len(TEXTS))} | {"score": Integer()}
    answers: ColumnElement[Any] = Column("answers", JSON())
    questions = [
        Question(f"q{number}", f"Question {number}?", multiple=False) for number in range(len(ANSWERS))
    ]
    return [
        *(OutputColumn(key, key, type_name(kind), False, Column(key, kind)) for key, kind in plain.items()),
        *(
            OutputColumn(question.key, question.label, "string", False, answers, question)
            for question in questions
        ),
    ]


def chunks(rows: int) -> Iterator[Chunk]:
    for first in range(0, rows, CHUNK_ROWS):
        ids = range(first, min(rows, first + CHUNK_ROWS))
        moments = [
            (START + timedelta(seconds=3.1 * number)).replace(tzinfo=None).isoformat() for number in ids
        ]
        texts = [packed([text] * len(ids)) for text in (*TEXTS, *ANSWERS)]
        numbers, flags = packed(list(ids)), packed([number % 3 == 0 for number in ids])
        scores = packed([number % 11 for number in ids])
        values = [numbers, timestamps(moments), flags, *texts[: len(TEXTS)], scores, *texts[len(TEXTS) :]]
        yield Chunk(values, numbers)


def write(rows: int, file: Path) -> float:
    """Write the workbook and return the CPU time in seconds."""
    format_ = XlsxFormat()
    options = format_.parse_options(None)
    zone = ZoneInfo("Europe/Madrid")
    output = Output(
        columns=columns(), rows=rows, zone=zone, name="rows", title="Rows", snapshot_at=START, request={}
    )
    writer, container = format_.writer(options, output), format_.container(options, output)
    started_at = time.process_time()
    with file.open("wb") as target:
        for chunk in chunks(rows):
            for block in writer.write(chunk):
                target.write(container.add(block))
        for block in writer.finish():
            target.write(container.add(block))
        target.write(container.finish())
    return time.process_time() - started_at


def write_by(library: str, rows: int, file: Path) -> float:
    """Write the workbook with the given library and return the CPU time in seconds."""
    started_at = time.process_time()
    lists = (row for chunk in chunks(rows) for row in zip(*map(unpacked, chunk.values), strict=True))
    LIBRARIES[library]([column.key for column in columns()], map(list, lists), file)
    return time.process_time() - started_at


def rows_by_sheet(file: Path) -> dict[str, int]:
    """Return the number of rows on each sheet, including the header row."""
    with zipfile.ZipFile(file) as book:
        sheets = [name for name in book.namelist() if name.startswith("xl/worksheets/")]
        return {sheet: _count_rows(book, sheet) for sheet in sheets}


def _count_rows(book: zipfile.ZipFile, sheet: str) -> int:
    count, end = 0, b""
    with book.open(sheet) as content:
        while data := content.read(READ_BYTES):
            count += (end + data).count(b"</row>")
            end = data[1 - len(b"</row>") :]
    return count


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workbook", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--by", choices=LIBRARIES, help="a library that must be installed")
    options = parser.parse_args()
    rows = options.rows
    with TemporaryDirectory() as folder:
        file = Path(folder, "rows.xlsx")
        seconds = write_by(options.by, rows, file) if options.by else write(rows, file)
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        counts, size = rows_by_sheet(file), file.stat().st_size / 1e6
    for sheet, count in counts.items():
        print_line(f"{sheet}: {count:,} rows with the header")
    print_line(f"{rows:,} rows in {seconds:.1f} CPU seconds, {size:,.0f} MB, peak memory {peak_mb:,.0f} MB")
    print_result(
        benchmark="workbook", by=options.by, rows=rows, cpu_seconds=round(seconds, 1), peak_mb=round(peak_mb)
    )


if __name__ == "__main__":
    main()
