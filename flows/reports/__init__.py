"""Load the catalog of reports. Each module in this package declares one report as REPORT.

Reports are loaded from three places:

flows/reports/<name>.py                     a module with REPORT = Report(…)
REPORTS_CATALOG=module[,module]             the operator's modules or packages, which can be in the current
                                            folder, on PYTHONPATH or among the installed packages
entry point group `report_exports.reports`  installed distributions
"""

import importlib.util
import pkgutil
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from flows.errors import DeclarationError
from flows.query.masking import mask_reports
from flows.query.report import DEFAULT_REPORT, Choices, Filter, Heading, Questions, Report, Scope
from flows.reports._user_code import OWN_PACKAGES, append_current_folder, hidden_packages

__all__ = [
    "BrokenReport",
    "Choices",
    "Filter",
    "Heading",
    "LoadedReports",
    "Questions",
    "Report",
    "Scope",
    "catalog",
    "hidden_packages",
    "load_reports",
]

ENTRY_POINT_GROUP = "report_exports.reports"
SET_BY_THE_CATALOG = ("masked", "file", "is_default")
_KINDS: dict[str, Any] = {
    kind.__name__: kind for kind in (Report, Scope, Filter, Heading, Questions, Choices)
}
_UNKNOWN_PART = re.compile(rf"({'|'.join(_KINDS)})\.__init__\(\) got an unexpected keyword argument '(\w+)'")
_MISSING_PART = re.compile(rf"({'|'.join(_KINDS)})\.__init__\(\) missing \d+ required .*arguments?: (.+)")


@dataclass(frozen=True)
class BrokenReport:
    """A report that is disabled because it could not be loaded.

    `file` and `reason` are shown to the operator. If the module does not provide a report, `name` is derived
    from the name of the module.
    """

    name: str
    file: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


@dataclass(frozen=True)
class LoadedReports:
    reports: Mapping[str, Report]
    broken: tuple[BrokenReport, ...]


def catalog(extra_modules: tuple[str, ...] = (), default: str = "") -> Mapping[str, Report]:
    """Return all valid reports, by name."""
    return load_reports(extra_modules, default).reports


@cache
def load_reports(extra_modules: tuple[str, ...] = (), default: str = "") -> LoadedReports:
    """Load all reports. An invalid report is returned as a BrokenReport and does not affect the others.

    `default` is the name of the default report. Raises DeclarationError if no report, valid or broken, has
    this name. If `default` is empty, the default is `survey-responses` if that report exists. Otherwise, if
    the catalog contains a single report and no broken reports, that report is the default. In all other
    cases, there is no default.
    """
    append_current_folder()
    reports: dict[str, Report] = {}
    broken: list[BrokenReport] = []
    for name in dict.fromkeys((*_own_modules(), *_installed_modules(), *extra_modules)):
        for module_name, error in _import_all(name):
            loaded = error or _load(module_name, reports)
            if isinstance(loaded, BrokenReport):
                broken.append(loaded)
            else:
                reports[loaded.name] = loaded
    if (default_name := _default_name(reports, broken, default)) is not None:
        reports[default_name] = replace(reports[default_name], is_default=True)
    return LoadedReports(MappingProxyType(reports), tuple(broken))


def _default_name(reports: Mapping[str, Report], broken: list[BrokenReport], default: str) -> str | None:
    if default in reports:
        return default
    if default:
        if default in {report.name for report in broken}:
            return None
        names = ", ".join(sorted(reports)) or "none"
        raise DeclarationError(f"REPORTS_DEFAULT_REPORT: no report is named {default!r}; reports: {names}")
    if DEFAULT_REPORT in reports:
        return DEFAULT_REPORT
    return next(iter(reports)) if len(reports) == 1 and not broken else None


def _own_modules() -> list[str]:
    return [f"{__name__}.{name}" for name in _public(__path__)]


def _installed_modules() -> list[str]:
    return [point.value for point in entry_points(group=ENTRY_POINT_GROUP)]


def _import_all(name: str) -> Iterator[tuple[str, BrokenReport | None]]:
    """Import a module, or all modules of a package. Yield the name of each module and its error, if any."""
    module = _import(name)
    if isinstance(module, BrokenReport):
        yield name, module
        return
    folders = getattr(module, "__path__", None)
    if folders is None or hasattr(module, "REPORT"):
        yield name, None
    for child in _public(folders or ()):
        imported = _import(f"{name}.{child}")
        yield f"{name}.{child}", imported if isinstance(imported, BrokenReport) else None


def _public(folders: Iterable[str]) -> list[str]:
    """Return the names of the public modules in a package. Names such as `_tables` are private."""
    return [info.name for info in pkgutil.iter_modules(folders) if not info.name.startswith("_")]


def _import(name: str) -> ModuleType | BrokenReport:
    try:
        return importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - the code belongs to the user
        file = _file_of(name)
        return BrokenReport(_report_name(name), _location(file, error), _reason(name, error))


def _reason(name: str, error: Exception) -> str:
    if isinstance(error, DeclarationError):
        return str(error)
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, TypeError) and (wrong := _UNKNOWN_PART.search(str(error))):
        return f"{wrong[1]} has no part {wrong[2]!r}; its parts: {', '.join(_parts(wrong[1]))}"
    if isinstance(error, TypeError) and (wrong := _MISSING_PART.search(str(error))):
        return f"{wrong[1]} has no {wrong[2]}, which is required"
    if isinstance(error, AttributeError) and str(error).isidentifier():  # table.c raises this error.
        return f"the table declares no column {str(error)!r}"
    if isinstance(error, ImportError):
        return f"{text}{_import_hint(name, error)}"
    return text


def _import_hint(name: str, error: ImportError) -> str:
    package = (error.name or "").partition(".")[0]
    if package in OWN_PACKAGES and (hidden := next(hidden_packages((package,)), None)) is not None:
        return f"; report-exports has its own package `{package}`, so {hidden} cannot be imported. Rename it"
    if not isinstance(error, ModuleNotFoundError):
        return ""
    if f"{name}.".startswith(f"{error.name}."):
        return "; start the command in the folder that contains it, or add the folder to PYTHONPATH"
    return "; install it in the same environment"


def _parts(kind: str) -> list[str]:
    """Return the names of the parts that authors can declare. The catalog sets the other parts."""
    return [name for name in _KINDS[kind].__dataclass_fields__ if name not in SET_BY_THE_CATALOG]


def _location(file: str, error: Exception) -> str:
    """Return the path and line of the user's code that raised the error."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    if not Path(file).is_file():
        return file
    folder = str(Path(file).parent)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file or Path(frame.filename).parent == Path(folder)]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else file


def _report_name(module_name: str) -> str:
    return module_name.rpartition(".")[2].replace("_", "-")


def _file_of(module_name: str) -> str:
    try:
        spec = importlib.util.find_spec(module_name)
    except Exception:  # noqa: BLE001 - a package above the module may fail to import
        spec = None
    return spec.origin if spec is not None and spec.origin else f"report module {module_name!r}"


def _load(module_name: str, others: Mapping[str, Report]) -> Report | BrokenReport:
    module: Any = importlib.import_module(module_name)
    report = getattr(module, "REPORT", None)
    file = str(module.__file__)
    if not isinstance(report, Report):
        return BrokenReport(_report_name(module_name), file, "must define REPORT = Report(…)")
    if report.name in others:
        reason = f"two reports have the name {report.name!r}; the other is in {others[report.name].file}"
        return BrokenReport(report.name, file, reason)
    report = replace(report, file=file)
    try:
        mask_reports({report.name: report})
    except Exception as error:  # noqa: BLE001 - a valid declaration must not fail for masked callers only
        return BrokenReport(report.name, file, f"personal data cannot be masked: {error}")
    return report
