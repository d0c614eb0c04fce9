"""Load the catalog of reports. Each module in this package declares one report as REPORT.

Reports are loaded from three places:

flows/reports/<name>.py                     a module with REPORT = Report(…)
REPORTS_CATALOG=module[,module]             modules or packages of the operator
entry point group `report_exports.reports`  installed distributions
"""

import importlib.util
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType, ModuleType

from flows.errors import DeclarationError
from flows.query.report import DEFAULT_REPORT, Filter, Heading, Questions, Report, Scope

__all__ = ["Filter", "Heading", "Questions", "Report", "Scope", "catalog"]

ENTRY_POINT_GROUP = "report_exports.reports"


@cache
def catalog(extra_modules: tuple[str, ...] = (), default: str = "") -> MappingProxyType[str, Report]:
    """Load all reports, by name.

    The default report is the one named `default`. Without a name, it is `survey-responses` or
    the only report.
    Raises DeclarationError if a report is invalid. The message names the file.
    """
    reports: dict[str, Report] = {}
    for module_name in dict.fromkeys((*_own_modules(), *_installed_modules(), *extra_modules)):
        for module in _import_all(module_name):
            report = _report_of(module)
            if report.name in reports:
                other = reports[report.name].file
                raise DeclarationError(
                    f"two reports have the name {report.name!r}: {other} and {report.file}"
                )
            reports[report.name] = report
    if (name := _default_name(reports, default)) is not None:
        reports[name] = replace(reports[name], is_default=True)
    return MappingProxyType(reports)


def _default_name(reports: Mapping[str, Report], default: str) -> str | None:
    if default and default not in reports:
        names = ", ".join(sorted(reports)) or "none"
        raise DeclarationError(f"REPORTS_DEFAULT_REPORT: no report is named {default!r}; reports: {names}")
    if default:
        return default
    if DEFAULT_REPORT in reports:
        return DEFAULT_REPORT
    return next(iter(reports)) if len(reports) == 1 else None


def _own_modules() -> list[str]:
    return [f"{__name__}.{name}" for name in _public(__path__)]


def _installed_modules() -> list[str]:
    return [point.value for point in entry_points(group=ENTRY_POINT_GROUP)]


def _import_all(name: str) -> Iterator[ModuleType]:
    """Yield the module itself, or all modules of a package."""
    module = _import(name)
    folders = getattr(module, "__path__", None)
    if folders is None or hasattr(module, "REPORT"):
        yield module
    for child in _public(folders or ()):
        yield _import(f"{name}.{child}")


def _public(folders: Iterable[str]) -> list[str]:
    """Return the names of the modules in a package, without private ones such as `_tables.py`."""
    return [info.name for info in pkgutil.iter_modules(folders) if not info.name.startswith("_")]


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        hint = "install it in the same environment, or add its folder to PYTHONPATH"
        raise DeclarationError(f"{_file_of(name)}: {type(error).__name__}: {error}; {hint}") from error
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
