"""Write the lines of a JSON Lines file."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.formats.jsonl.tokens import tokens
from flows.formats.protocol import Output
from flows.rows.arrow_columns import TEXT, data
from flows.rows.pipeline import Block, Chunk, Records
from flows.rows.row_errors import apply_to_column


class JsonlWriter:
    """Joins the columns of a chunk into one JSON object per row."""

    def __init__(self, output: Output) -> None:
        self._output = output
        keys = [json.dumps(column.key, ensure_ascii=False) for column in output.columns]
        self._names = [pa.scalar(f"{',' if number else '{'}{key}:", TEXT) for number, key in enumerate(keys)]

    def write(self, batch: Records | Chunk) -> Iterator[Block]:
        assert isinstance(batch, Chunk)  # noqa: S101 - copy_options() returns None
        parts: list[Any] = []
        for name, column, values in zip(self._names, self._output.columns, batch.values, strict=True):
            convert = partial(tokens, column=column, zone=self._output.zone)
            parts += [name, apply_to_column(convert, values, column, batch.keys)]
        lines = pc.binary_join_element_wise(
            *parts,
            pa.scalar("}\n", TEXT),
            pa.scalar("", TEXT),
            null_handling="replace",
            null_replacement="null",
        )
        yield Block(batch.rows, data(lines))

    def finish(self) -> Iterator[Block]:
        yield from ()

    def close(self) -> None:
        """Do nothing, because there are no resources to release."""
