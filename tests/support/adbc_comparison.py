"""Compare the SQLite source, which uses a second process, to the SQLAlchemy source."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from sqlalchemy import Engine

from flows.errors import ExportError
from flows.query.request import ExportRequest
from flows.rows.pipeline import Chunk
from flows.sources.sqlite import adbc_chunks
from tests.support.engines import file_by_second_process, file_by_sqlalchemy


@dataclass(frozen=True)
class Comparison:
    """The result that both sources return: the file, or the error's code and message."""

    result: bytes | tuple[str, str]
    rows_by_process: int  # rows read by the second process


def compare_sources(engine: Engine, request: ExportRequest) -> Comparison:
    """Run the request with both sources, and assert that they produce the same file or the same error."""
    counts: list[int] = []
    with patch.object(adbc_chunks, "_chunks", _counted(adbc_chunks._chunks, counts)):
        result = _result(file_by_second_process, engine, request)
    assert result == _result(file_by_sqlalchemy, engine, request)
    return Comparison(result, sum(counts))


def _counted(chunks: Callable[..., Iterator[Chunk]], counts: list[int]) -> Callable[..., Iterator[Chunk]]:
    def counted(*arguments: Any) -> Iterator[Chunk]:
        for chunk in chunks(*arguments):
            counts.append(chunk.rows)
            yield chunk

    return counted


def _result(
    write_file: Callable[[Engine, ExportRequest], bytes], engine: Engine, request: ExportRequest
) -> bytes | tuple[str, str]:
    try:
        return write_file(engine, request)
    except ExportError as error:
        return error.code, str(error)
