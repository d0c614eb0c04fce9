"""Parse and validate the CSV options in the `csv` field of a request."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model
from typing_extensions import TypeAliasType

from flows.formats.options import InvalidOptions, without_defaults

LineEnding = Literal["lf", "crlf"]
Header = Literal["labels", "keys", "none"]
DateTimes = Literal["iso", "local"]
TextNumbers = Literal["keep", "guard"]
Compression = Literal["none", "gzip", "zip"]

# Excel's limit is 1,048,576 rows, including the header.
EXCEL_ROWS = 1_048_575


@dataclass(frozen=True)
class CsvOptions:
    """Options of a CSV export.

    `split_rows` is the maximum number of rows per file. `codebook` comes from the request's `codebook` field.
    """

    preset: str = "plain"
    delimiter: str = ","
    line_ending: LineEnding = "lf"
    byte_order_mark: bool = False
    header: Header = "labels"
    decimal_mark: str = "."
    date_times: DateTimes = "iso"
    formula_guard: bool = False
    text_numbers: TextNumbers = "keep"
    compression: Compression = "none"
    split_rows: int | None = None
    codebook: bool = False

    @property
    def line_end(self) -> str:
        return "\r\n" if self.line_ending == "crlf" else "\n"

    @property
    def guards_text(self) -> bool:
        """Return whether the options protect text from misinterpretation by spreadsheets."""
        return self.formula_guard or self.text_numbers == "guard"

    def splits(self, rows: int) -> bool:
        """Return whether this many rows need more than one file."""
        return self.split_rows is not None and rows > self.split_rows

    def file_count(self, rows: int) -> int:
        """Return the number of CSV files for this many rows, not counting the codebook."""
        return max(1, -(-rows // self.split_rows)) if self.split_rows else 1


PRESETS = {
    "plain": CsvOptions(),
    "rfc4180": CsvOptions(preset="rfc4180", line_ending="crlf"),
    "excel": CsvOptions(
        preset="excel",
        line_ending="crlf",
        byte_order_mark=True,
        date_times="local",
        formula_guard=True,
        split_rows=EXCEL_ROWS,
    ),
}

# Maps the option names in requests to the fields of CsvOptions.
_FIELDS = {
    "delimiter": "delimiter",
    "lineEnding": "line_ending",
    "byteOrderMark": "byte_order_mark",
    "header": "header",
    "decimalMark": "decimal_mark",
    "dateTimes": "date_times",
    "formulaGuard": "formula_guard",
    "textNumbers": "text_numbers",
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
    "textNumbers": ("keep", "guard"),
    "compression": ("none", "gzip", "zip"),
}
OPTIONS = ("preset", *_FIELDS)
_NAMES = {True: "true", False: "false", "\t": "TAB"}


def parse_options(value: object) -> CsvOptions:
    """Parse the name of a preset, or an object whose options override those of a preset.

    Raises InvalidOptions with a reason for every invalid option.
    """
    options = _options(value)
    _raise_any({name: reason for name in options if (reason := _reason(name, options[name])) is not None})
    overrides = {name: options[name] for name in _FIELDS if name in options}
    preset = PRESETS[options.get("preset", "plain")]
    parsed = replace(preset, **{_FIELDS[name]: option for name, option in overrides.items()})
    _raise_any(_contradictions(parsed, overrides))
    return parsed


def _options(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, str):
        return {"preset": value}
    if isinstance(value, dict):
        return value
    raise InvalidOptions({None: "must be the name of a preset or an object of options"})


def _raise_any(reasons: Mapping[str | None, str]) -> None:
    if reasons:
        raise InvalidOptions(reasons)


def _reason(name: str, value: object) -> str | None:
    """Return the reason why this value is invalid for the option, or None if it is valid."""
    if name not in OPTIONS:
        return f"unknown option {name!r}; choose from {', '.join(OPTIONS)}"
    if name == "preset":
        is_preset = isinstance(value, str) and value in PRESETS
        return None if is_preset else f"preset must be one of {', '.join(PRESETS)}"
    if name == "splitRows":
        is_valid = value is None or (type(value) is int and 1 <= value <= EXCEL_ROWS)
        return None if is_valid else f"splitRows must be a whole number from 1 to {EXCEL_ROWS}, or null"
    if name == "delimiter" and value == '"':
        return 'delimiter must not be the quote character (")'
    return _choice_reason(name, value)


def _choice_reason(name: str, value: object) -> str | None:
    if any(value is choice or (isinstance(value, str) and value == choice) for choice in CHOICES[name]):
        return None
    return f"{name} must be one of {' '.join(_NAMES.get(choice, choice) for choice in CHOICES[name])}"


def _contradictions(options: CsvOptions, overrides: Mapping[str, Any]) -> dict[str | None, str]:
    """Map each conflicting option to the reason for the conflict.

    A conflict is reported for an option that the caller has set, not for one that comes from the preset.
    """
    reasons: dict[str | None, str] = {}
    if options.decimal_mark == options.delimiter:
        reasons["decimalMark"] = (
            "decimalMark requires a delimiter other than the comma, for example a semicolon,"
            " because numbers would otherwise span two columns"
        )
    if options.split_rows is not None and options.compression == "gzip":
        if "splitRows" in overrides:
            reasons["splitRows"] = (
                "splitRows requires zip compression, because a gzip file contains a single file"
            )
        else:
            reasons["compression"] = (
                "a gzip file contains a single file; set splitRows to null or use zip compression"
            )
    elif overrides.get("splitRows") is not None and options.compression != "zip":
        reasons["splitRows"] = "splitRows requires zip compression, because it produces several files"
    return reasons


def _add_exclusions(schema: dict[str, Any]) -> None:
    without_defaults(schema)
    schema["allOf"] = [
        {
            "if": {"properties": when, "required": list(when)},
            "then": {"properties": then, "required": list(then)},
        }
        for when, then in (
            ({"decimalMark": {"const": ","}}, {"delimiter": {"not": {"const": ","}}}),
            ({"splitRows": {"type": "integer"}}, {"compression": {"const": "zip"}}),
            (
                {"preset": {"const": "excel"}, "compression": {"const": "gzip"}},
                {"splitRows": {"type": "null"}},
            ),
        )
    ]


# These types are used only in the OpenAPI document. parse_options() validates the options.
CsvPreset: Any = TypeAliasType("CsvPreset", Literal.__getitem__(tuple(PRESETS)))
_SPLIT_ROWS = Annotated[int, Field(ge=1, le=EXCEL_ROWS)] | None
_MODEL_FIELDS: dict[str, Any] = {
    "preset": (CsvPreset, None),
    **{
        name: (bool if choices[0] is True else Literal.__getitem__(choices), None)
        for name, choices in CHOICES.items()
    },
    "splitRows": (
        _SPLIT_ROWS,
        Field(None, description="Maximum number of rows per file. Requires zip compression."),
    ),
}
CsvOptionsModel: type[BaseModel] = create_model(
    "CsvOptions",
    __config__=ConfigDict(extra="forbid", json_schema_extra=_add_exclusions),
    __doc__="Options that override those of the preset.",
    **_MODEL_FIELDS,
)
