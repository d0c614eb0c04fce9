"""Preview the first lines of a file, using the same code that writes the file."""

from collections.abc import Sequence
from contextlib import closing

from flows.formats.protocol import Output
from flows.query.request import ExportRequest
from flows.rows.columns import OutputColumn
from flows.rows.pipeline import Chunk
from flows.rows.transform import transform_chunk
from flows.sources import sqlalchemy_rows
from flows.sources.snapshot import Snapshot

TEXT_TYPES = ("text/", "application/jsonl")
BYTE_ORDER_MARK = "\ufeff"


def first_lines(
    opened: Snapshot,
    request: ExportRequest,
    columns: Sequence[OutputColumn],
    read: Sequence[OutputColumn],
    total: int,
    rows: int,
) -> list[str] | None:
    """Return the header and the first rows of the file as lines of text.

    Returns None if the file is not a text file. `read` contains all columns to read, including those that
    only the report's transform needs. If the export is split into several files, the lines come from the
    first file. They are not compressed and do not contain a byte order mark.
    """
    if not any(kind.startswith(TEXT_TYPES) for kind in request.format.media_types.values()):
        return None
    output = Output(
        columns=columns,
        rows=total,
        zone=request.zone,
        name=request.file_stem,
        title=request.title,
        snapshot_at=opened.taken_at,
        request=request.body,
    )
    chunks = sqlalchemy_rows.fetch(opened, request, read, limit=rows)
    with closing(request.format.writer(request.options, output)) as writer:
        blocks = [
            block for chunk in chunks for block in writer.write(_transformed(chunk, request, columns, read))
        ]
        blocks += writer.finish()
    text = b"".join(block.data for block in blocks if block.file == 0).decode()
    lines = text.removeprefix(BYTE_ORDER_MARK).split("\n")
    return [line.removesuffix("\r") for line in lines[:-1]]


def _transformed(
    chunk: Chunk, request: ExportRequest, columns: Sequence[OutputColumn], read: Sequence[OutputColumn]
) -> Chunk:
    report = request.report
    return transform_chunk(chunk, read, report.transform, request.zone, report.file).first_columns(
        len(columns)
    )
