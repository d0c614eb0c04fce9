"""Detect changes to the Python files of the user's reports."""

import importlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path


class ReportFiles:
    """The Python files of the modules and packages in the catalog, with their modification times."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = modules
        self._times = self._read_times()

    def have_changed(self) -> bool:
        """Return whether a file has been added, changed or removed since the last call."""
        before, self._times = self._times, self._read_times()
        return self._times != before

    def _read_times(self) -> dict[Path, int]:
        importlib.invalidate_caches()
        times: dict[Path, int] = {}
        for path in (path for module in self._modules for path in _files_of(module)):
            with suppress(FileNotFoundError):  # an editor may be replacing the file
                times[path] = path.stat().st_mtime_ns
        return times


def _files_of(module: str) -> Iterator[Path]:
    try:
        spec = find_spec(module)
    except Exception:  # noqa: BLE001 - a package above the module may fail to import
        return
    if spec is None:
        return
    for folder in spec.submodule_search_locations or ():
        yield from Path(folder).rglob("*.py")
    if spec.origin is not None:
        yield Path(spec.origin)
