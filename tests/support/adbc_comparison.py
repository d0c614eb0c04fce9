"""An export from SQLite as it is read with a second process, held against the one that Python alone reads."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from sqlalchemy import Engine

from flows.errors import ExportError
from flows.query.request import ExportRequest
from flows.rows.pipeline import Chunk
from flows.sources.sqlite import adbc_chunks
from tests.support.engines import framed, framed_by_second_process


@dataclass(frozen=True)
class Agreed:
    """What both gave: the file, or the error's code and sentence; a row's tells its key and the column."""

    given: bytes | tuple[str, str]
    rows_by_process: int


def agreed(engine: Engine, request: ExportRequest) -> Agreed:
    counts: list[int] = []
    with patch.object(adbc_chunks, "_chunks", _counted(adbc_chunks._chunks, counts)):
        found = _outcome(framed_by_second_process, engine, request)
    assert found == _outcome(framed, engine, request)
    return Agreed(found, sum(counts))


def _counted(chunks: Callable[..., Iterator[Chunk]], counts: list[int]) -> Callable[..., Iterator[Chunk]]:
    def counted(*arguments: Any) -> Iterator[Chunk]:
        for chunk in chunks(*arguments):
            counts.append(chunk.rows)
            yield chunk

    return counted


def _outcome(
    wrote: Callable[[Engine, ExportRequest], bytes], engine: Engine, request: ExportRequest
) -> bytes | tuple[str, str]:
    try:
        return wrote(engine, request)
    except ExportError as error:
        return error.code, str(error)
