"""Golden files: complete expected responses and exports."""

from pathlib import Path

FOLDER = Path(__file__).parent.parent / "golden"


def golden(name: str) -> bytes:
    """Return the file's bytes; JSON files end with a newline that the responses do not have."""
    content = (FOLDER / name).read_bytes()
    return content.removesuffix(b"\n") if name.endswith(".json") else content
