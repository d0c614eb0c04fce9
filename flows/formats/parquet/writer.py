"""Write the row groups of a Parquet file."""

from collections.abc import Iterator
from functools import partial

import pyarrow as pa
from pyarrow import parquet

from flows.formats.containers import Sink
from flows.formats.parquet.arrays import array
from flows.formats.parquet.schema import schema
from flows.formats.protocol import Output
from flows.rows.pipeline import Block, Chunk, Records
from flows.rows.row_errors import apply_to_column

# A row group ends when it reaches either limit. Readers such as DuckDB process one row group per thread.
ROWS_PER_GROUP = 122_880
BYTES_PER_GROUP = 32 << 20


class ParquetWriter:
    """Collects batches and writes them as row groups of limited size."""

    def __init__(self, compression: str, output: Output) -> None:
        self._output, self._schema, self._sink = output, schema(output), Sink()
        self._writer = parquet.ParquetWriter(self._sink, self._schema, compression=compression)
        self._batches: list[pa.RecordBatch] = []

    def write(self, batch: Records | Chunk) -> Iterator[Block]:
        assert isinstance(batch, Chunk)  # noqa: S101 - copy_options() returns None
        self._batches.append(pa.record_batch(self._arrays(batch), schema=self._schema))
        rows, size = (sum(getattr(batch, name) for batch in self._batches) for name in ("num_rows", "nbytes"))
        if rows >= ROWS_PER_GROUP or size >= BYTES_PER_GROUP:
            self._write_group()
        yield Block(batch.rows, self._sink.take())

    def finish(self) -> Iterator[Block]:
        if self._batches:
            self._write_group()
        self._writer.close()
        yield Block(0, self._sink.take())

    def close(self) -> None:
        """Do nothing, because there are no resources to release."""

    def _arrays(self, chunk: Chunk) -> list[pa.Array]:
        columns = zip(self._output.columns, self._schema.types, chunk.values, strict=True)
        return [
            apply_to_column(
                partial(array, column=column, kind=kind, zone=self._output.zone), values, column, chunk.keys
            )
            for column, kind, values in columns
        ]

    def _write_group(self) -> None:
        table = pa.Table.from_batches(self._batches, self._schema)
        self._batches = []
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))
