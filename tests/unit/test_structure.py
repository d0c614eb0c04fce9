"""Test that modules, functions and folders are small enough and that every package has a docstring."""

import ast
from itertools import chain
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("report_exports", "flows", "api", "deployments")
MAX_MODULES_PER_FOLDER = 15
MAX_LINES_PER_MODULE = 350
MAX_MEDIAN_LINES_PER_FUNCTION = 6

MODULES = sorted(chain.from_iterable((ROOT / package).rglob("*.py") for package in PACKAGES))
FOLDERS = sorted({module.parent for module in MODULES})


def function_lengths(package: str) -> list[int]:
    """Return the number of lines of each function, including its signature and docstring."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / package).rglob("*.py")]
    return [
        node.end_lineno - node.lineno + 1
        for node in chain.from_iterable(map(ast.walk, trees))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None
    ]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("folder", FOLDERS, ids=relative)
def test_folder_is_a_small_package_with_a_docstring(folder: Path) -> None:
    modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MAX_MODULES_PER_FOLDER
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))


def test_no_module_is_too_long() -> None:
    lengths = {relative(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES_PER_MODULE} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_functions_are_short(package: str) -> None:
    assert median(function_lengths(package)) <= MAX_MEDIAN_LINES_PER_FUNCTION
