"""Test that the page's static files are small, complete, licensed and self-contained."""

import re
from pathlib import Path

import pytest

from api.exports.job import MEANINGS
from api.routes.page import FILES, filled
from api.web.page_bundle import bundle_script, bundle_text
from flows.errors import errors_by_code
from flows.runs.outcome import FILE_LOST
from flows.schedules.relative_range import PRESETS

MAX_BYTES_SENT = 50 * 1024
MODULES = sorted(FILES.rglob("*.js"))
LOADED = sorted(path for path in FILES.rglob("*") if path.suffix in (".js", ".css"))
OURS = [path for path in LOADED if path.parent.name != "vendor"]
CATALOGUES = sorted((FILES / "texts").glob("*.js"))
IMPORT = re.compile(r"""\b(?:im|ex)port\b[^;"']*\bfrom\s*["']([^"']+)["']""")
KEY = re.compile(r'^( {2,4})(?:(\w+)|"([^"]+)"): (\S)', re.MULTILINE)


def test_script_and_style_stay_below_50_kib_compressed() -> None:
    script, style = bundle_script(FILES, "main.js"), bundle_text(_text("style.css"))
    sent = len(script.zipped) + len(style.zipped)
    print(f"{len(script.text) + len(style.text):,} bytes, sent as {sent:,}")  # noqa: T201
    assert sent < MAX_BYTES_SENT


def test_the_bundle_contains_all_modules_except_lazy_texts() -> None:
    text = bundle_script(FILES, "main.js").text.decode()
    names = re.findall(r'^modules\["([^"]+)"\]', text, re.MULTILINE)
    assert sorted(names) == sorted(str(path.relative_to(FILES)) for path in MODULES if path.name != "de.js")
    assert len(names) == len(set(names))


def test_the_bundle_rejects_unsupported_syntax(tmp_path: Path) -> None:
    (tmp_path / "main.js").write_text('import * as all from "./other.js";\n')
    with pytest.raises(ValueError, match="unsupported import or export"):
        bundle_script(tmp_path, "main.js")


def test_the_bundle_contains_no_comments_and_whole_strings(tmp_path: Path) -> None:
    (tmp_path / "main.js").write_text(
        '/** Doc. */\n// line\nexport const url = "https://a.example//b"; // tail\n  // indented\nurl;\n'
    )
    text = bundle_script(tmp_path, "main.js").text.decode()
    assert "https://a.example//b" in text
    assert not {"Doc", "line", "tail", "indented"} & set(re.findall(r"\w+", text))


def test_the_digest_of_a_bundle_changes_with_its_text() -> None:
    assert bundle_text("a").digest != bundle_text("b").digest


def test_the_export_client_is_under_80_lines_without_imports() -> None:
    text = _text("export-client.js")
    assert len(text.splitlines()) < 80
    assert "import " not in text


def test_every_export_of_the_export_client_is_typed() -> None:
    exported = re.findall(r"^export (?:const|class|function) (\w+)", _text("export-client.js"), re.MULTILINE)
    typed = re.findall(r"^export (?:function|class) (\w+)", _text("export-client.d.ts"), re.MULTILINE)
    assert sorted(exported) == sorted(typed)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_every_import_is_a_file_of_the_page(path: Path) -> None:
    for target in IMPORT.findall(path.read_text(encoding="utf-8")):
        assert target.startswith("./"), target
        assert (path.parent / target).is_file(), target


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_no_other_host_is_named(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://", text)


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_no_address_is_absolute(path: Path) -> None:
    """The page must work under a path prefix."""
    assert not re.search(r"""(?:href|src|action)=["']/""", path.read_text(encoding="utf-8"))


def test_the_html_names_no_absolute_address() -> None:
    assert not re.search(r"""(?:href|src)=["']/""", _text("index.html"))


def test_every_vendored_file_is_listed() -> None:
    listed = _text("vendor/README.md")
    for path in (FILES / "vendor").iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in listed


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_catalogues_have_the_same_keys_in_the_same_order(path: Path) -> None:
    assert _keys(path) == _keys(FILES / "texts" / "en.js")


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_every_catalogue_covers_presets_statuses_and_error_codes(path: Path) -> None:
    keys = {key for _, key in _keys(path)}
    assert set(PRESETS) <= keys
    assert set(MEANINGS) <= keys
    assert {*errors_by_code(), FILE_LOST.code} <= keys


def test_every_text_that_the_page_uses_is_in_the_catalogue() -> None:
    catalogue = {key for depth, key in _keys(FILES / "texts" / "en.js") if depth == 2}
    used = {name for path in OURS if path.suffix == ".js" for name in re.findall(r"\bt\.(\w+)", _code(path))}
    assert used == catalogue


def test_server_values_are_escaped_in_the_page() -> None:
    html = filled(_text("index.html"), 'http://x/"><script>')
    assert "<script>" not in html
    assert 'content="http://x/&quot;&gt;&lt;script&gt;"' in html


def _keys(path: Path) -> list[tuple[int, str]]:
    """Return the indentation and name of each key.

    Messages are indented by 2 spaces, or by 4 if they are in a group.
    """
    return [
        (len(indent), name or quoted)
        for indent, name, quoted, _ in KEY.findall(path.read_text(encoding="utf-8"))
    ]


def _code(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _text(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")
