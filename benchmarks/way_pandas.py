"""Export with pandas' read_sql and to_csv, either all rows at once or in chunks."""

from collections.abc import Callable

import pandas as pd
import s3fs
from sqlalchemy import create_engine

from benchmarks.turn import Parameters, run_turn

CHUNK_ROWS = 10_000


def prepare(parameters: Parameters) -> Callable[[], None]:
    url = parameters["database_url"].replace("postgresql://", "postgresql+psycopg://")
    path = f"{parameters['bucket']}/{parameters['key']}"
    create_engine(url).connect().close()
    s3fs.S3FileSystem().exists(parameters["bucket"])
    way = in_chunks if parameters["chunks"] else at_once
    return lambda: way(parameters["sql"], url, path)


def at_once(sql: str, url: str, path: str) -> None:
    pd.read_sql(sql, create_engine(url)).to_csv(f"s3://{path}", index=False)


def in_chunks(sql: str, url: str, path: str) -> None:
    # Without stream_results, the driver would fetch all rows before it returned the first chunk.
    with (
        create_engine(url).connect().execution_options(stream_results=True) as connection,
        s3fs.S3FileSystem().open(path, "w", encoding="utf-8", newline="") as file,
    ):
        for number, chunk in enumerate(pd.read_sql(sql, connection, chunksize=CHUNK_ROWS)):
            chunk.to_csv(file, index=False, header=number == 0)


if __name__ == "__main__":
    run_turn(prepare)
