"""Read golden files. Each one contains a complete expected response or export."""

from pathlib import Path

FOLDER = Path(__file__).parent.parent / "golden"


def golden(name: str) -> bytes:
    """Return the content of a golden file. The final newline of JSON files is not part of the response."""
    content = (FOLDER / name).read_bytes()
    return content.removesuffix(b"\n") if name.endswith(".json") else content
