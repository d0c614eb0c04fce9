"""Join the page's ES modules into one script and hash it, so that a first visit takes few requests.

The modules stay plain files that a browser can load one by one. Here each becomes a function in one script,
after the modules it imports; texts loaded with `import()` stay files of their own. The page's modules write
each import and export as a statement of the forms matched below; anything else is refused.
"""

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

_COMMENT = re.compile(r"^[ \t]*/\*\*(?:(?!\*/).)*\*/\n", re.DOTALL | re.MULTILINE)
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)
_IMPORT = re.compile(r"""^import\s*(\{[^}]*\}|\w+)\s*from\s*["'](\./[^"']+|\.\./[^"']+)["'];""", re.MULTILINE)
_RE_EXPORT = re.compile(r"""^export (\{[^}]*\}) from ["'](\./[^"']+)["'];""", re.MULTILINE)
_DECLARED = re.compile(r"^export (?=(?:const|let|function|async function|class) (\w+))", re.MULTILINE)
_LISTED = re.compile(r"export\s*(\{[^}]*\})\s*;?\s*$")
_DEFAULT = re.compile(r"export default (?=function|class|\()")
_LEFT_OVER = re.compile(r"^(?:import|export)\b", re.MULTILINE)


@dataclass(frozen=True)
class Bundle:
    """A text with its gzipped form and a digest for its address."""

    text: bytes
    zipped: bytes
    digest: str


def bundle_script(folder: Path, entry: str) -> Bundle:
    """ValueError for an import or export that is written in another way."""
    parts = [
        f'modules["{name}"] = await (async () => {{\n{_as_function(folder, name)}\n}})();'
        for name in _in_order(folder, entry)
    ]
    return bundle_text('"use strict";\nconst modules = {};\n' + "\n".join(parts) + "\n")


def bundle_text(text: str) -> Bundle:
    content = text.encode()
    return Bundle(content, gzip.compress(content, 9, mtime=0), hashlib.sha256(content).hexdigest()[:16])


def newest_change(folder: Path) -> int:
    """Nanoseconds; the bundle is made again when a module changes."""
    return max(path.stat().st_mtime_ns for path in folder.rglob("*") if path.suffix in (".js", ".css"))


def _in_order(folder: Path, entry: str) -> list[str]:
    """Names of `entry` and all that it imports, each after its own imports."""
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
    text = _COMMENT.sub("", (folder / name).read_text(encoding="utf-8"))
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
        for each in match[1].strip("{} ").split(","):
            local, _, public = each.strip().partition(" as ")
            exported.append(f"{public}: {local}" if public else local)
        return ""

    text = _RE_EXPORT.sub(re_exported, _IMPORT.sub(imported, text))
    text = _LISTED.sub(listed, _DECLARED.sub(declared, text))
    if _DEFAULT.search(text):
        text = _DEFAULT.sub("const default_ = ", text)
        exported.append("default: default_")
    if left := _LEFT_OVER.search(text):
        raise ValueError(f"{name}: cannot bundle {text[left.start() : left.start() + 60]!r}")
    text = _INDENT.sub("", text)
    return f"{text}\nreturn {{ {', '.join(exported)} }};"


def _plain_names(braces: str) -> list[str]:
    return [each.strip() for each in braces.strip("{} ").split(",")]
