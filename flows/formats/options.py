"""Helpers for the options of every format."""

from typing import Any


class InvalidOption(ValueError):
    """`option` is the name of the wrong option; None when the whole value is wrong."""

    def __init__(self, option: str | None, reason: str) -> None:
        super().__init__(reason)
        self.option = option


def without_defaults(schema: dict[str, Any]) -> None:
    """Remove `default`: client generators turn a field that has one into a required field."""
    for field in schema.get("properties", {}).values():
        field.pop("default", None)
