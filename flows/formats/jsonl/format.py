"""Define the JSON Lines format and write the lines of a file."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.formats.containers import PACKING, Bare, Container, Gzip, Zstd
from flows.formats.jsonl.tokens import tokens
from flows.formats.options import InvalidOptions, choices_model, parse_choices
from flows.formats.protocol import Output, TextSize
from flows.rows.arrow_columns import TEXT, data
from flows.rows.pipeline import Block, Chunk, Records
from flows.rows.row_errors import apply_to_column

CHOICES = {"compression": ("none", "gzip", "zstd")}
EXTENSIONS = {"none": "jsonl", "gzip": "jsonl.gz", "zstd": "jsonl.zst"}
CONTAINERS: dict[str, Callable[[], Container]] = {"none": Bare, "gzip": Gzip, "zstd": Zstd}


@dataclass(frozen=True)
class JsonlOptions:
    compression: str = "none"


class JsonlFormat:
    name = "jsonl"
    label = "JSON Lines"
    media_types: Mapping[str, str] = {
        "jsonl": "application/jsonl",
        "jsonl.gz": "application/gzip",
        "jsonl.zst": "application/zstd",
    }
    options_type: Any = choices_model("JsonlOptions", CHOICES)
    options_description = "Options of JSON Lines."

    def parse_options(self, value: object) -> JsonlOptions:
        return JsonlOptions(**parse_choices(value, CHOICES))

    def with_codebook(self, options: JsonlOptions) -> JsonlOptions:
        raise InvalidOptions({None: "needs the format csv or xlsx"})

    def extension(self, options: JsonlOptions, rows: int) -> str:
        return EXTENSIONS[options.compression]

    def estimated_bytes(self, options: JsonlOptions, text: TextSize) -> int:
        if options.compression != "none":  # When compressed, the repeated keys take up almost no space.
            return round(text.bytes / PACKING)
        return text.bytes + text.rows * text.keys

    def copy_options(self, options: JsonlOptions) -> None:
        return None

    def writer(self, options: JsonlOptions, output: Output) -> "JsonlWriter":
        return JsonlWriter(output)

    def container(self, options: JsonlOptions, output: Output) -> Container:
        return CONTAINERS[options.compression]()


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
