"""Asks the API whether it can serve, and says what it waits for when that takes long."""

import asyncio
import time

import httpx

from deployments.stack.terminal import Terminal

SAID_AFTER_SECONDS = 15.0
SECONDS_BETWEEN_QUESTIONS = 0.2


class Readiness:
    def __init__(self, api_url: str, terminal: Terminal) -> None:
        self._url, self._terminal = f"{api_url}/readyz", terminal
        self._asked_since = time.monotonic()
        self._said: list[str] = []

    async def __call__(self) -> bool:
        await asyncio.sleep(SECONDS_BETWEEN_QUESTIONS)
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=3) as client:
                answer = await client.get(self._url)
        except httpx.TransportError:
            return False
        if answer.status_code == httpx.codes.OK:
            return True
        failed = [name for name, found in answer.json()["checks"].items() if found != "ok"]
        if failed != self._said and time.monotonic() - self._asked_since > SAID_AFTER_SECONDS:
            self._said = failed
            self._terminal.warn(f"The API still waits for: {', '.join(failed)}.")
        return False
