"""Read golden files. Each one contains a complete expected response or export."""

from pathlib import Path

FOLDER = Path(__file__).parent.parent / "golden"


def golden(name: str) -> bytes:
    """Return the content of a golden file, without the final newline if it is a JSON file."""
    content = (FOLDER / name).read_bytes()
    return content.removesuffix(b"\n") if name.endswith(".json") else content
