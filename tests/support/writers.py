"""Write a chunk to a file without using a database."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any
from zoneinfo import ZoneInfo

from flows.formats.output_file import OutputFile
from flows.formats.protocol import Output
from flows.formats.registry import FORMATS
from flows.rows.columns import OutputColumn
from flows.rows.pipeline import Block, Chunk
from tests.support.clock import NOON


def file_of_chunk(
    format_name: str, columns: Sequence[OutputColumn], chunk: Chunk | None, **settings: Any
) -> bytes:
    return file_of_chunks(format_name, columns, [chunk] if chunk else [], **settings)


def file_of_chunks(
    format_name: str,
    columns: Sequence[OutputColumn],
    chunks: Sequence[Chunk],
    options: object = None,
    zone: str = "UTC",
    request: dict[str, Any] | None = None,
    title: str = "Things",
) -> bytes:
    format_ = FORMATS[format_name]
    output = Output(
        columns=columns,
        rows=sum(chunk.rows for chunk in chunks),
        zone=ZoneInfo(zone),
        name="file",
        title=title,
        snapshot_at=NOON,
        request=request or {},
    )
    parsed = format_.parse_options(options)
    blocks: list[Block] = []
    with closing(format_.writer(parsed, output)) as writer:
        blocks += [block for chunk in chunks for block in writer.write(chunk)]
        blocks += writer.finish()
    with OutputFile(format_.container(parsed, output)) as file:
        stored = [data for block in blocks for data in file.add(block)]
        return b"".join([*stored, *file.finish()])
