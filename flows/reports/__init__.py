"""The reports there are: one file each in this package, in the user's own, or in an installed one.

flows/reports/<name>.py                     a module with a REPORT
REPORTS_CATALOG=module[,module]             the same, in your own modules or packages
entry point group `report_exports.reports`  the same, from an installed distribution
"""

import importlib.util
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType, ModuleType

from flows.errors import DeclarationError
from flows.query.report import Filter, Heading, Questions, Report, Scope

__all__ = ["Filter", "Heading", "Questions", "Report", "Scope", "catalog"]

ENTRY_POINT_GROUP = "report_exports.reports"


@cache
def catalog(extra_modules: tuple[str, ...] = ()) -> MappingProxyType[str, Report]:
    """All reports by name; DeclarationError names the file of the one that cannot work."""
    found: dict[str, Report] = {}
    for module_name in (*_own_modules(), *_installed_modules(), *extra_modules):
        for module in _import_all(module_name):
            report = _report_of(module)
            if report.name in found:
                earlier = found[report.name].file
                raise DeclarationError(
                    f"two reports have the name {report.name!r}: {earlier} and {report.file}"
                )
            found[report.name] = report
    return MappingProxyType(found)


def _own_modules() -> list[str]:
    return [f"{__name__}.{name}" for name in _public(__path__)]


def _installed_modules() -> list[str]:
    return [point.value for point in entry_points(group=ENTRY_POINT_GROUP)]


def _import_all(name: str) -> Iterator[ModuleType]:
    """The module itself, or every module of the package."""
    module = _import(name)
    folders = getattr(module, "__path__", None)
    if folders is None or hasattr(module, "REPORT"):
        yield module
    for found in _public(folders or ()):
        yield _import(f"{name}.{found}")


def _public(folders: Iterable[str]) -> list[str]:
    """`_tables.py` and the like are the reports' own."""
    return [info.name for info in pkgutil.iter_modules(folders) if not info.name.startswith("_")]


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        where = "it has to be installed beside this program, or its folder to be in PYTHONPATH"
        raise DeclarationError(f"{_file_of(name)}: {type(error).__name__}: {error}; {where}") from error
    except Exception as error:
        raise DeclarationError(f"{_file_of(name)}: {type(error).__name__}: {error}") from error


def _file_of(module_name: str) -> str:
    try:
        spec = importlib.util.find_spec(module_name)
    except ImportError:
        spec = None
    return spec.origin if spec is not None and spec.origin else f"report module {module_name!r}"


def _report_of(module: ModuleType) -> Report:
    report = getattr(module, "REPORT", None)
    if not isinstance(report, Report):
        raise DeclarationError(f"{module.__file__}: must define REPORT = Report(…)")
    return replace(report, file=str(module.__file__))
