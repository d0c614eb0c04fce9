"""The page's files: small, complete, licensed and self-contained."""

import gzip
import re
from pathlib import Path

import pytest

from api.routes.page import FILES, filled
from flows.schedules.relative_range import PRESETS

MOST_BYTES_SENT = 45_000
LOADED = sorted(path for path in FILES.rglob("*") if path.suffix in (".js", ".css"))
OURS = [path for path in LOADED if path.parent == FILES]


def test_scripts_and_styles_stay_below_45_kb_compressed() -> None:
    sent = sum(len(gzip.compress(path.read_bytes())) for path in LOADED)
    print(f"{sum(path.stat().st_size for path in LOADED):,} bytes, sent as {sent:,}")  # noqa: T201
    assert sent < MOST_BYTES_SENT


def test_the_export_client_is_under_80_lines_without_imports() -> None:
    text = (FILES / "export-client.js").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 80
    assert "import " not in text


def test_every_export_of_the_export_client_is_typed() -> None:
    given = re.findall(r"^export (?:const|class|function) (\w+)", _text("export-client.js"), re.MULTILINE)
    typed = re.findall(r"^export (?:function|class) (\w+)", _text("export-client.d.ts"), re.MULTILINE)
    assert sorted(given) == sorted(typed)


@pytest.mark.parametrize("path", LOADED, ids=lambda path: path.name)
def test_every_import_is_a_file_beside_it(path: Path) -> None:
    for target in re.findall(
        r"""\b(?:im|ex)port\b[^;"']*\bfrom\s*["']([^"']+)["']""", path.read_text(encoding="utf-8")
    ):
        assert target.startswith("./"), target
        assert (path.parent / target).is_file(), target


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_no_other_host_is_named(path: Path) -> None:
    assert not re.search(r"https?://", path.read_text(encoding="utf-8"))


def test_every_vendored_file_is_listed() -> None:
    listed = _text("vendor/README.md")
    for path in (FILES / "vendor").iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in listed


def test_every_range_preset_of_the_api_has_a_text() -> None:
    presets = re.search(r"PRESETS = \{(.*?)\n\};", _text("schedule-words.js"), re.DOTALL)
    assert presets is not None
    assert set(re.findall(r'^  "?([a-z0-9-]+)"?:', presets[1], re.MULTILINE)) == set(PRESETS)


def test_server_values_are_escaped_in_the_page() -> None:
    html = filled(_text("index.html"), 'http://x/"><script>')
    assert "<script>" not in html
    assert 'content="http://x/&quot;&gt;&lt;script&gt;"' in html


def _text(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")
