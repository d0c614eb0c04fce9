"""The CSV that we write: presets, options, and the text of a record. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal

Header = Literal["labels", "keys", "none"]


@dataclass(frozen=True)
class Dialect:
    """One way of writing CSV; `csv` in a request names a preset or sets single options."""

    preset: str = "plain"
    header: Header = "labels"


PRESETS = {"plain": Dialect()}
HEADERS: tuple[Header, ...] = ("labels", "keys", "none")

DELIMITER, LINE_END = ",", "\n"
# What makes PostgreSQL's COPY quote a value, besides its being empty.
_QUOTED_FOR = ('"', DELIMITER, "\n", "\r")


def parse_dialect(value: object) -> Dialect:
    """`"plain"`, or an object of options over a preset; ValueError names the option."""
    if value is None:
        return PRESETS["plain"]
    options: dict[str, Any]
    if isinstance(value, str):
        options = {"preset": value}
    elif isinstance(value, dict):
        options = value
    else:
        raise ValueError("must be the name of a preset or an object of options")
    known = [field.name for field in fields(Dialect)]
    for name in options:
        if name not in known:
            raise ValueError(f"there is no option {name!r}; there are {', '.join(known)}")
    preset = options.get("preset", "plain")
    if preset not in list(PRESETS):
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}")
    header = options.get("header", PRESETS[preset].header)
    if header not in HEADERS:
        raise ValueError(f"header must be one of {', '.join(HEADERS)}")
    return Dialect(preset=preset, header=header)


def record(cells: Iterable[str | None]) -> str:
    """One line, byte for byte as PostgreSQL's COPY writes it: NULL is nothing, `''` is `""`."""
    texts = ["" if cell is None else _quoted(cell) for cell in cells]
    if texts == ["\\."]:  # alone on its line it would end COPY FROM
        texts = ['"\\."']
    return DELIMITER.join(texts) + LINE_END


def _quoted(cell: str) -> str:
    if cell and not any(mark in cell for mark in _QUOTED_FOR):
        return cell
    return '"' + cell.replace('"', '""') + '"'
