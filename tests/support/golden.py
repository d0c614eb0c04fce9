"""Whole expected answers and files, kept as they are sent."""

from pathlib import Path

FOLDER = Path(__file__).parent.parent / "golden"


def golden(name: str) -> bytes:
    """The file's bytes; JSON files end with a line break that answers do not have."""
    content = (FOLDER / name).read_bytes()
    return content.removesuffix(b"\n") if name.endswith(".json") else content
