"""Render the Helm chart in a child process, because Helm's library starts a Go runtime."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # types-PyYAML is not installed

CHART = Path(__file__).resolve().parents[2] / "deployments" / "chart"
NAMESPACE = "exports"


class RenderError(Exception):
    """Helm rejected the values. The message comes from Helm."""


def render(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the manifests of our chart, excluding those of Prefect's chart.

    Raises RenderError if Helm rejects the values.
    """
    command = [sys.executable, "-m", __name__]
    result = subprocess.run(  # noqa: S603 - this module
        command, input=json.dumps(values), capture_output=True, text=True, timeout=60
    )
    if result.returncode:
        raise RenderError(result.stderr)
    files = json.loads(result.stdout)
    texts = [text for name, text in files.items() if name.endswith(".yaml")]
    return [manifest for text in texts for manifest in yaml.safe_load_all(text) if manifest]


def main() -> None:
    from helm_python.chart import Chart
    from helm_python.errors import HelmError

    with Chart.load(CHART) as chart:
        try:
            files = chart.render(json.load(sys.stdin), name="demo", namespace=NAMESPACE)
        except HelmError as error:
            sys.exit(str(error))
    json.dump(files, sys.stdout)


if __name__ == "__main__":
    main()
