"""Helpers for the options of every format."""

from collections.abc import Mapping
from typing import Any


class InvalidOptions(ValueError):
    """Options that a format does not accept.

    `reasons` maps the name of each wrong option to the reason. The name is None if the whole value is wrong.
    """

    def __init__(self, reasons: Mapping[str | None, str]) -> None:
        super().__init__("; ".join(reasons.values()))
        self.reasons = reasons


def without_defaults(schema: dict[str, Any]) -> None:
    """Remove `default`: client generators turn a field that has one into a required field."""
    for field in schema.get("properties", {}).values():
        field.pop("default", None)
