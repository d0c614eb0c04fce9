"""Bundle the page's ES modules into one script to save requests on the first visit.

Each module becomes a function in the script and follows the modules that it imports. Files loaded with
`import()`, such as the translations, are not included. Only the import and export statements matched below
are supported. The modules themselves are unchanged, so a browser can also load them one by one.
"""

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

_COMMENT = re.compile(r"^[ \t]*/\*\*(?:(?!\*/).)*\*/\n", re.DOTALL | re.MULTILINE)
_LINE_COMMENT = re.compile(r"(?:^[ \t]*|(?<=[;,{})])[ \t]+)// .*$", re.MULTILINE)
_EMPTY_LINES = re.compile(r"\n{2,}")
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)
_IMPORT = re.compile(r"""^import\s*(\{[^}]*\}|\w+)\s*from\s*["'](\./[^"']+|\.\./[^"']+)["'];""", re.MULTILINE)
_RE_EXPORT = re.compile(r"""^export (\{[^}]*\}) from ["'](\./[^"']+)["'];""", re.MULTILINE)
_DECLARED = re.compile(r"^export (?=(?:const|let|function|async function|class) (\w+))", re.MULTILINE)
_LISTED = re.compile(r"export\s*(\{[^}]*\})\s*;?\s*$")
_DEFAULT = re.compile(r"export default (?=function|class|\()")
_LEFT_OVER = re.compile(r"^(?:import|export)\b", re.MULTILINE)


@dataclass(frozen=True)
class Bundle:
    """A script or style sheet, its gzipped content and the digest for its URL."""

    text: bytes
    zipped: bytes
    digest: str


def bundle_script(folder: Path, entry: str) -> Bundle:
    """Bundle the entry module with all modules that it imports.

    Raises ValueError for an unsupported import or export statement.
    """
    parts = [
        f'modules["{name}"] = await (async () => {{\n{_as_function(folder, name)}\n}})();'
        for name in _in_order(folder, entry)
    ]
    return bundle_text('"use strict";\nconst modules = {};\n' + "\n".join(parts) + "\n")


def bundle_text(text: str) -> Bundle:
    content = text.encode()
    return Bundle(content, gzip.compress(content, 9, mtime=0), hashlib.sha256(content).hexdigest()[:16])


def newest_change(folder: Path) -> int:
    """Return the latest modification time, in nanoseconds, of the page's scripts and style sheets."""
    return max(path.stat().st_mtime_ns for path in folder.rglob("*") if path.suffix in (".js", ".css"))


def _in_order(folder: Path, entry: str) -> list[str]:
    """Return the names of `entry` and its direct and indirect imports, dependencies first."""
    order: list[str] = []

    def add(name: str) -> None:
        for target in _imports_of(folder, name):
            if target not in order:
                add(target)
        order.append(name)

    add(entry)
    return order


def _imports_of(folder: Path, name: str) -> list[str]:
    text = (folder / name).read_text(encoding="utf-8")
    paths = [match[2] for pattern in (_IMPORT, _RE_EXPORT) for match in pattern.finditer(text)]
    return [_resolved(name, path) for path in dict.fromkeys(paths)]


def _resolved(name: str, path: str) -> str:
    parts = [*name.split("/")[:-1], *path.split("/")]
    resolved: list[str] = []
    for part in parts:
        if part == "..":
            resolved.pop()
        elif part != ".":
            resolved.append(part)
    return "/".join(resolved)


def _as_function(folder: Path, name: str) -> str:
    text = _LINE_COMMENT.sub("", _COMMENT.sub("", (folder / name).read_text(encoding="utf-8")))
    exported: list[str] = []

    def imported(match: re.Match[str]) -> str:
        names = match[1] if match[1].startswith("{") else f"{{ default as {match[1]} }}"
        return f'const {names.replace(" as ", ": ")} = modules["{_resolved(name, match[2])}"];'

    def re_exported(match: re.Match[str]) -> str:
        exported.extend(_plain_names(match[1]))
        return f'const {match[1]} = modules["{_resolved(name, match[2])}"];'

    def declared(match: re.Match[str]) -> str:
        exported.append(match[1])
        return ""

    def listed(match: re.Match[str]) -> str:
        for name in _plain_names(match[1]):
            local, _, public = name.partition(" as ")
            exported.append(f"{public}: {local}" if public else local)
        return ""

    text = _RE_EXPORT.sub(re_exported, _IMPORT.sub(imported, text))
    text = _LISTED.sub(listed, _DECLARED.sub(declared, text))
    if _DEFAULT.search(text):
        text = _DEFAULT.sub("const default_ = ", text)
        exported.append("default: default_")
    if unsupported := _LEFT_OVER.search(text):
        start = unsupported.start()
        raise ValueError(f"{name}: unsupported import or export: {text[start : start + 60]!r}")
    text = _EMPTY_LINES.sub("\n", _INDENT.sub("", text))
    return f"{text}\nreturn {{ {', '.join(exported)} }};"


def _plain_names(braces: str) -> list[str]:
    return [name.strip() for name in braces.strip("{} ").split(",")]
