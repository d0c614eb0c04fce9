"""Define the JSON Lines format: its options, file names and containers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flows.formats.containers import PACKING, Bare, Container, Gzip, Zstd
from flows.formats.options import InvalidOptions, choices_model, parse_choices
from flows.formats.protocol import Output, TextSize

if TYPE_CHECKING:
    from flows.formats.jsonl.writer import JsonlWriter

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
        from flows.formats.jsonl.writer import JsonlWriter  # imports Arrow

        return JsonlWriter(output)

    def container(self, options: JsonlOptions, output: Output) -> Container:
        return CONTAINERS[options.compression]()
