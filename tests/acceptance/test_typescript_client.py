"""Test that a TypeScript client compiles with --strict against types generated from the OpenAPI document."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

PROJECT = Path(__file__).parent / "typescript_client"
FILES = ("package.json", "package-lock.json", "client.ts")
TIMEOUT_SECONDS = 240


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the TypeScript project and install its locked packages."""
    npm = shutil.which("npm")
    if npm is None and os.environ.get("CI") != "true":
        pytest.skip("npm is not installed: apt-get install nodejs npm")
    assert npm is not None, "CI needs npm: apt-get install nodejs npm"
    folder = tmp_path_factory.mktemp("typescript")
    for name in FILES:
        shutil.copy(PROJECT / name, folder)
    run(folder, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(  # noqa: S603 - locked packages
        command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_a_typed_client_compiles_without_extra_flags(api: httpx.Client, project: Path) -> None:
    document = api.get("/openapi.json").raise_for_status().json()
    (project / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    programs = project / "node_modules" / ".bin"
    run(project, f"{programs}/openapi-typescript", "openapi.json", "--output", "schema.d.ts")
    run(project, f"{programs}/tsc", "--strict", "--noEmit", "client.ts")
