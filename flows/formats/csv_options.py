"""CSV options and presets: what `csv` in a request may hold."""

from dataclasses import dataclass, replace
from typing import Any, Literal

LineEnding = Literal["lf", "crlf"]
Header = Literal["labels", "keys", "none"]
DateTimes = Literal["iso", "local"]
Compression = Literal["none", "gzip", "zip"]
Stored = Literal["csv", "csv.gz", "zip"]

# Excel opens 1,048,576 rows; the header is one of them.
EXCEL_ROWS = 1_048_575


@dataclass(frozen=True)
class Dialect:
    """One way of writing CSV; `csv` in a request names a preset or sets single options.

    `split_rows` is how many rows a file holds at most, not counting its header.
    """

    preset: str = "plain"
    delimiter: str = ","
    line_ending: LineEnding = "lf"
    byte_order_mark: bool = False
    header: Header = "labels"
    decimal_mark: str = "."
    date_times: DateTimes = "iso"
    formula_guard: bool = False
    compression: Compression = "none"
    split_rows: int | None = None

    @property
    def line_end(self) -> str:
        return "\r\n" if self.line_ending == "crlf" else "\n"

    def stored_as(self, rows: int) -> Stored:
        """The kind of file so many rows end in, which is its extension too; only a zip holds several."""
        if self.compression == "gzip":
            return "csv.gz"
        too_many = self.split_rows is not None and rows > self.split_rows
        return "zip" if self.compression == "zip" or too_many else "csv"


PRESETS = {
    "plain": Dialect(),
    "rfc4180": Dialect(preset="rfc4180", line_ending="crlf"),
    "excel": Dialect(
        preset="excel",
        line_ending="crlf",
        byte_order_mark=True,
        date_times="local",
        formula_guard=True,
        split_rows=EXCEL_ROWS,
    ),
}

# As callers name the options: the field of each, and what it may be (splitRows is a number).
_FIELDS = {
    "delimiter": "delimiter",
    "lineEnding": "line_ending",
    "byteOrderMark": "byte_order_mark",
    "header": "header",
    "decimalMark": "decimal_mark",
    "dateTimes": "date_times",
    "formulaGuard": "formula_guard",
    "compression": "compression",
    "splitRows": "split_rows",
}
CHOICES: dict[str, tuple[Any, ...]] = {
    "delimiter": (",", ";", "\t", "|"),
    "lineEnding": ("lf", "crlf"),
    "byteOrderMark": (True, False),
    "header": ("labels", "keys", "none"),
    "decimalMark": (".", ","),
    "dateTimes": ("iso", "local"),
    "formulaGuard": (True, False),
    "compression": ("none", "gzip", "zip"),
}
OPTIONS = ("preset", *_FIELDS)
_NAMES = {True: "true", False: "false", "\t": "TAB"}


class InvalidOption(ValueError):
    """`option` is the one to mend, as the caller names it; None when it is the whole value."""

    def __init__(self, option: str | None, reason: str) -> None:
        super().__init__(reason)
        self.option = option


def parse_dialect(value: object) -> Dialect:
    """`"plain"`, or an object of options over a preset; InvalidOption says what is wrong, and why."""
    options = _options(value)
    for name in options:
        if name not in OPTIONS:
            raise InvalidOption(name, f"there is no option {name!r}; there are {', '.join(OPTIONS)}")
    preset = options.get("preset", "plain")
    if not isinstance(preset, str) or preset not in PRESETS:
        raise InvalidOption("preset", f"preset must be one of {', '.join(PRESETS)}")
    given = {name: options[name] for name in _FIELDS if name in options}
    for name, option in given.items():
        _check_alone(name, option)
    dialect = replace(PRESETS[preset], **{_FIELDS[name]: option for name, option in given.items()})
    _check_together(dialect, given)
    return dialect


def _options(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, str):
        return {"preset": value}
    if isinstance(value, dict):
        return value
    raise InvalidOption(None, "must be the name of a preset or an object of options")


def _check_alone(name: str, value: object) -> None:
    if name == "splitRows":
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and not (is_number and 1 <= value <= EXCEL_ROWS):  # type: ignore[operator]
            raise InvalidOption(name, f"splitRows must be a whole number from 1 to {EXCEL_ROWS}, or null")
    elif name == "delimiter" and value == '"':
        raise InvalidOption(name, 'delimiter must not be ", which is the quote')
    elif not any(value is each or (isinstance(value, str) and value == each) for each in CHOICES[name]):
        choices = " ".join(_NAMES.get(choice, choice) for choice in CHOICES[name])
        raise InvalidOption(name, f"{name} must be one of {choices}")


def _check_together(dialect: Dialect, given: dict[str, Any]) -> None:
    """`given` is what the caller has said; it is that, not the preset, that has to be mended."""
    if dialect.decimal_mark == dialect.delimiter:
        reason = "decimalMark , needs another delimiter than , such as ;: else numbers fall into two columns"
        raise InvalidOption("decimalMark", reason)
    if dialect.split_rows is None:
        return
    if dialect.compression == "gzip":
        reason = "splitRows must be null with compression gzip, which holds a single file; zip holds several"
        if "splitRows" in given:
            raise InvalidOption("splitRows", reason)
        raise InvalidOption("compression", f"the preset's {reason}")
    if "splitRows" in given and dialect.compression != "zip":
        reason = "splitRows needs compression zip, for it makes several files and a download is one"
        raise InvalidOption("splitRows", reason)
