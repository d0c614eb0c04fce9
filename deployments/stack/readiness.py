"""Check whether the API is ready. If it is slow to become ready, print what it is waiting for."""

import asyncio
import time
from typing import Any

import httpx

from deployments.stack.child_process import ChildFailed
from deployments.stack.terminal import Terminal

# These checks fail for a while during startup, because Prefect and the worker start together with the API.
SLOW_CHECKS = ("prefect", "files", "worker")
REPORT_SLOW_AFTER_SECONDS = 15.0
POLL_SECONDS = 0.2


class Readiness:
    def __init__(self, api_url: str, terminal: Terminal, strict: bool) -> None:
        self._url, self._terminal = f"{api_url}/readyz", terminal
        self._started_at = time.monotonic()
        self._strict = strict
        self._reported: list[str] = []

    async def __call__(self) -> bool:
        await asyncio.sleep(POLL_SECONDS)
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=3) as client:
                response = await client.get(self._url)
        except httpx.TransportError:
            return False
        if response.status_code == httpx.codes.OK:
            self._report_broken(response.json())
            return True
        age_seconds = time.monotonic() - self._started_at
        failed = _describe_failures(response.json(), age_seconds)
        if failed and failed != self._reported:
            self._reported = failed
            self._terminal.warn(f"The API is still waiting for: {', '.join(failed)}.")
        return False

    def _report_broken(self, answer: dict[str, Any]) -> None:
        """Print the reports that are disabled, or raise ChildFailed in strict mode."""
        if answer["status"] != "degraded":
            return
        lines = [f"Report {item['name']} is disabled: {item['reason']}" for item in answer["disabledReports"]]
        text = "\n".join(lines or ["A report is disabled. The log of the API contains the reason."])
        if self._strict:
            raise ChildFailed(text)
        self._terminal.warn(text)


def _describe_failures(answer: dict[str, Any], age_seconds: float) -> list[str]:
    """Return the names of the failed checks, with the reasons that are known.

    Checks that failed for the same reason are combined. Shortly after startup, the result omits checks that
    usually fail at first.
    """
    reasons = answer.get("reasons") or {}
    failed = [name for name, result in answer["checks"].items() if result == "failed"]
    if age_seconds < REPORT_SLOW_AFTER_SECONDS:
        failed = [name for name in failed if name not in SLOW_CHECKS]
    by_reason: dict[str, list[str]] = {}
    for name in failed:
        by_reason.setdefault(f" ({reasons[name]})" if name in reasons else "", []).append(name)
    return [f"{', '.join(names)}{reason}" for reason, names in by_reason.items()]
