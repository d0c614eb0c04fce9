"""Measure and limit the CPU time of a group of processes with cgroup v1 or v2. This needs root."""

import time
from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PERIOD_MICROSECONDS = 100_000


class CpuGroup:
    """A cgroup. Its CPU time includes that of processes that have already ended."""

    def __init__(self, name: str, root: Path = ROOT) -> None:
        self._is_version_2 = (root / "cgroup.controllers").exists()
        folders = (root,) if self._is_version_2 else (root / "cpu", root / "cpuacct")
        self._folders = [folder / name for folder in folders]
        if self._is_version_2:
            (root / "cgroup.subtree_control").write_text("+cpu")
        for folder in self._folders:
            folder.mkdir(exist_ok=True)

    def add(self, pid: int) -> None:
        """Move a process into the group. Child processes that it starts later also belong to the group."""
        for folder in self._folders:
            with suppress(ProcessLookupError):
                (folder / "cgroup.procs").write_text(str(pid))

    def limit(self, cores: float | None) -> None:
        """Limit the group to this number of cores, which may be a fraction. None removes the limit."""
        quota = None if cores is None else int(cores * PERIOD_MICROSECONDS)
        if self._is_version_2:
            (self._folders[0] / "cpu.max").write_text(f"{quota or 'max'} {PERIOD_MICROSECONDS}")
        else:
            (self._folders[0] / "cpu.cfs_quota_us").write_text(str(quota or -1))

    def cpu_seconds(self) -> float:
        if self._is_version_2:
            words = (self._folders[0] / "cpu.stat").read_text().split()
            return int(words[words.index("usage_usec") + 1]) / 1e6
        return int((self._folders[1] / "cpuacct.usage").read_text()) / 1e9

    def remove(self) -> None:
        """Remove the group. Retry on failure, because killed processes may not have ended yet."""
        for folder in self._folders:
            for _ in range(50):
                with suppress(OSError):
                    folder.rmdir()
                    break
                time.sleep(0.1)
