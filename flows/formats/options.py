"""Parse and describe the options of output formats."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, create_model

Choices = Mapping[str, Sequence[str]]


class InvalidOptions(ValueError):
    """Raised for options that a format does not accept.

    `reasons` maps the name of each invalid option to the reason. The name is None if the value as a whole is
    invalid.
    """

    def __init__(self, reasons: Mapping[str | None, str]) -> None:
        super().__init__("; ".join(reasons.values()))
        self.reasons = reasons


def parse_choices(value: object, choices: Choices) -> dict[str, Any]:
    """Check that every option in `value` is allowed, and return the options.

    If `value` is None, no options are set. Raises InvalidOptions with a reason for every invalid option.
    """
    options = {} if value is None else value
    if not isinstance(options, dict):
        raise InvalidOptions({None: "must be an object of options"})
    reasons: dict[str | None, str] = {}
    for name, option in options.items():
        if name not in choices:
            reasons[name] = f"unknown option {name!r}; choose from {', '.join(choices)}"
        elif option not in choices[name]:
            reasons[name] = f"{name} must be one of {' '.join(choices[name])}"
    if reasons:
        raise InvalidOptions(reasons)
    return options


def choices_model(name: str, choices: Choices) -> type[BaseModel]:
    """Return a model that describes the options in the OpenAPI document.

    The model is not used for validation. parse_choices() validates the options.
    """
    fields: dict[str, Any] = {
        option: (Literal.__getitem__(tuple(choices[option])), None) for option in choices
    }
    config = ConfigDict(extra="forbid", json_schema_extra=without_defaults)
    return create_model(name, __config__=config, **fields)


def without_defaults(schema: dict[str, Any]) -> None:
    """Remove `default` from the schema's properties.

    Client generators would turn a field with a default into a required field.
    """
    for field in schema.get("properties", {}).values():
        field.pop("default", None)
