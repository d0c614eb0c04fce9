"""Check out other versions of this repository."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """Check out a commit into a temporary folder, and yield the folder."""
    git = ("git", "-C", str(ROOT), "worktree")
    with TemporaryDirectory(prefix="reports-") as folder:
        checkout = Path(folder) / "checkout"
        run = (*git, "add", "--quiet", "--detach", str(checkout), commit)
        subprocess.run(run, check=True)  # noqa: S603 - a fixed command
        try:
            yield checkout
        finally:
            subprocess.run((*git, "remove", "--force", str(checkout)), check=True)  # noqa: S603 - a fixed command


def name_of(commit: str) -> str:
    """Return the abbreviated hash of a commit."""
    return _git("rev-parse", "--short", commit)


def previous_version() -> str:
    """Return the last tag, or the hundredth last commit if there are no tags."""
    tags = _git("tag", "--sort=-creatordate", "--merged", "HEAD~1").splitlines()
    return tags[0] if tags else "HEAD~100"


def _git(*arguments: str) -> str:
    command = ("git", "-C", str(ROOT), *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - a fixed program
