"""Run Lighthouse on the page of a running stack, emulating a phone, and print the scores.

Usage: `python -m benchmarks.lighthouse [API URL]`. This requires npm and Chromium. The exit code is 1 if a
score is below 95 or the layout shift exceeds 0.05. Lighthouse measures the CPU time of the page, so the
machine must be otherwise idle.
"""

import json
import os
import shutil
import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import Any

LIGHTHOUSE = "lighthouse@13.5.0"
SAMPLE = "/?surveyId=668b6fa3b8d693cd865b44bb&from=2024-07-19&to=2024-07-26"
LOWEST_SCORE, LARGEST_SHIFT = 95, 0.05
CHROME_FLAGS = "--headless=new --no-sandbox --disable-gpu"


def run_lighthouse(url: str) -> dict[str, Any]:
    """Run Lighthouse and return its report. By default, Lighthouse emulates a slow phone."""
    npx, chromium = shutil.which("npx"), shutil.which("chromium")
    if npx is None or chromium is None:
        sys.exit("Lighthouse needs npm and Chromium.")
    with TemporaryDirectory() as folder:
        path = f"{folder}/report.json"
        command = [npx, "--yes", LIGHTHOUSE, url, "--output=json", f"--output-path={path}", "--quiet"]
        command.append(f"--chrome-flags={CHROME_FLAGS}")
        subprocess.run(command, check=True, env={**os.environ, "CHROME_PATH": chromium})  # noqa: S603
        with open(path, encoding="utf-8") as file:
            return dict(json.load(file))


def summary(report: dict[str, Any]) -> dict[str, float]:
    scores = {name: round(100 * (part["score"] or 0)) for name, part in report["categories"].items()}
    return {**scores, "layout shift": round(report["audits"]["cumulative-layout-shift"]["numericValue"], 3)}


def failures(report: dict[str, Any]) -> list[str]:
    """Return a line for each audit that Lighthouse does not rate as good."""
    audits = report["audits"].values()
    return [
        f"{audit['score']:.2f}  {audit['title']}  {audit.get('displayValue', '')}".rstrip()
        for audit in audits
        if audit["score"] is not None and audit["score"] < 0.9
    ]


def is_good(figures: dict[str, float]) -> bool:
    scores = [value for name, value in figures.items() if name != "layout shift"]
    return min(scores) >= LOWEST_SCORE and figures["layout shift"] <= LARGEST_SHIFT


def main() -> int:
    report = run_lighthouse((sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000") + SAMPLE)
    figures = summary(report)
    lines = [f"{name:<16} {value:>6}" for name, value in figures.items()]
    sys.stdout.write("\n".join([*lines, *failures(report), json.dumps(figures), ""]))
    return 0 if is_good(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
