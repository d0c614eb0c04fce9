"""Test the systemd units and the nginx configurations in the documentation."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import nginx
from tests.support.system_programs import require_program

API, FILES = (block for block in nginx.read_blocks("deploy.md") if block.startswith("server"))
[UPSTREAM] = (block for block in nginx.read_blocks("deploy.md") if block.startswith("upstream"))
[PROXY_HEADER] = (block for block in nginx.read_blocks("front-end.md") if not block.startswith("location"))


def units() -> dict[str, str]:
    """Return the documented units by the names of their files.

    The documentation contains only the lines of the worker's unit that differ from the unit of the API.
    """
    page = (nginx.DOCS / "deploy.md").read_text(encoding="utf-8").replace("/opt/report-exports/venv/bin/", "")
    api, changes = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)
    worker = re.sub(r"ExecStart=.*\n", changes, api)
    return {"report-exports-api.service": api, "report-exports-worker.service": worker}


def verify(unit: str, text: str, folder: Path) -> str:
    """Return the messages of systemd about a unit."""
    (folder / unit).write_text(text.replace("ExecStart=", f"ExecStart={Path(sys.executable).parent}/"))
    command = [require_program("systemd-analyze"), "verify", str(folder / unit)]
    return subprocess.run(command, capture_output=True, text=True).stderr  # noqa: S603 - a fixed command


@pytest.mark.parametrize("unit", units())
def test_the_documented_units_are_valid(unit: str, tmp_path: Path) -> None:
    assert verify(unit, units()[unit], tmp_path) == ""


def test_an_invalid_unit_is_noticed(tmp_path: Path) -> None:
    [unit, text] = next(iter(units().items()))
    assert "Unknown key 'Reload'" in verify(unit, text.replace("Restart=", "Reload="), tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        API,
        FILES.replace(
            "storage.internal", "127.0.0.1"
        ),  # nginx resolves the names of upstreams when it starts
        UPSTREAM + API.replace("http://127.0.0.1:8000;", "http://api; proxy_connect_timeout 2s;"),
    ],
    ids=["api", "files", "upstream"],
)
def test_the_documented_servers_are_valid(content: str, tmp_path: Path) -> None:
    certificate, _ = nginx.create_certificate(tmp_path)
    assert nginx.check(nginx.with_certificate(content, certificate, 8443), tmp_path) == ""


@pytest.mark.parametrize(
    "location", [b for b in nginx.read_blocks("front-end.md") if b.startswith("location")]
)
def test_the_documented_locations_are_valid(location: str, tmp_path: Path) -> None:
    location = location.replace("}\n", f"{PROXY_HEADER}}}\n") if "Authorization" not in location else location
    assert nginx.check(f"server {{ listen 127.0.0.1:8080; {location} }}", tmp_path) == ""
