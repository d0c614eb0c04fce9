"""Write the rows to an Excel workbook with one of several libraries, and upload the workbook."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import s3fs

from benchmarks.turn import Parameters, run_turn

FETCHED_ROWS = 10_000

Rows = Iterable[Sequence[Any]]


def prepare(parameters: Parameters) -> Callable[[], None]:
    url, write = parameters["database_url"], LIBRARIES[parameters["library"]]
    path = f"{parameters['bucket']}/{parameters['key']}"
    psycopg.connect(url).close()
    storage = s3fs.S3FileSystem()
    storage.exists(parameters["bucket"])
    return lambda: export(parameters["sql"], url, write, storage, path)


def export(sql: str, url: str, write: Callable[..., None], storage: Any, path: str) -> None:
    with tempfile.TemporaryDirectory() as folder, psycopg.connect(url) as connection:
        file = Path(folder, "rows.xlsx")
        with connection.cursor("rows") as cursor:
            cursor.itersize = FETCHED_ROWS
            cursor.execute(sql)
            first = cursor.fetchone() or ()
            names = [column.name for column in cursor.description or ()]
            write(names, without_zones([first], cursor), file)
        storage.put(str(file), path)


def without_zones(*parts: Rows) -> Iterator[list[Any]]:
    """Yield the rows with naive timestamps, because the libraries reject timestamps with time zones."""
    for rows in parts:
        for row in rows:
            yield [value.replace(tzinfo=None) if isinstance(value, datetime) else value for value in row]


def by_xlsxwriter(names: Sequence[str], rows: Rows, file: Path) -> None:
    import xlsxwriter

    options = {"constant_memory": True, "default_date_format": "yyyy-mm-dd hh:mm:ss"}
    text_only = {"strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(str(file), {**options, **text_only}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, names)
        for number, row in enumerate(rows, start=1):
            sheet.write_row(number, 0, row)


def by_pyexcelerate(names: Sequence[str], rows: Rows, file: Path) -> None:
    import pyexcelerate

    book = pyexcelerate.Workbook()
    book.new_sheet("Rows", data=[names, *rows])
    book.save(str(file))


def by_polars(names: Sequence[str], rows: Rows, file: Path) -> None:
    import polars

    frame = polars.DataFrame(list(rows), schema=list(names), orient="row", infer_schema_length=None)
    frame.write_excel(str(file))


def by_duckdb(names: Sequence[str], rows: Rows, file: Path) -> None:
    import duckdb
    import pandas as pd
    from duckdb_extensions import import_extension

    connection = duckdb.connect()
    import_extension("excel", con=connection)  # from the package duckdb-extension-excel
    connection.execute("LOAD excel")
    connection.register("frame", pd.DataFrame(list(rows), columns=list(names)))
    connection.execute(f"COPY frame TO '{file}' (FORMAT xlsx, HEADER true)")


LIBRARIES: dict[str, Callable[..., None]] = {
    "xlsxwriter": by_xlsxwriter,
    "pyexcelerate": by_pyexcelerate,
    "polars": by_polars,
    "duckdb": by_duckdb,
}


if __name__ == "__main__":
    run_turn(prepare)
