"""Looks after runs that have ended otherwise than in their own process: see flows/schedules/after_run.py."""

import logging
import random

import anyio
import anyio.to_thread
from prefect.client.orchestration import get_client

from flows.schedules.after_run import follow_up_ended_runs
from flows.settings import Settings

SECONDS_BETWEEN_LOOKS = 5.0

logger = logging.getLogger(__name__)


async def keep_following_up() -> None:
    settings = Settings()
    with get_client(sync_client=True) as client:
        while True:
            # Workers that started together must not look together.
            await anyio.sleep(SECONDS_BETWEEN_LOOKS * random.uniform(0.8, 1.2))  # noqa: S311 - not a secret
            try:
                await anyio.to_thread.run_sync(follow_up_ended_runs, client, settings, abandon_on_cancel=True)
            except Exception:  # whatever it is, the worker goes on
                logger.warning("looking for ended runs failed; trying again soon", exc_info=True)
