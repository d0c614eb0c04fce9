"""Helpers for the options of output formats."""

from collections.abc import Mapping
from typing import Any


class InvalidOptions(ValueError):
    """Raised for options that a format does not accept.

    `reasons` maps the name of each invalid option to the reason. The name is None if the value as a whole is
    invalid.
    """

    def __init__(self, reasons: Mapping[str | None, str]) -> None:
        super().__init__("; ".join(reasons.values()))
        self.reasons = reasons


def without_defaults(schema: dict[str, Any]) -> None:
    """Remove `default` from the schema's properties.

    Client generators would turn a field with a default into a required field.
    """
    for field in schema.get("properties", {}).values():
        field.pop("default", None)
