"""Periodically follow up on finished runs whose own process failed to do so.

See flows/schedules/after_run.py.
"""

import logging
import random
from datetime import UTC, datetime, timedelta

import anyio
import anyio.to_thread
from prefect.client.orchestration import get_client

from flows.schedules.after_run import follow_up_ended_runs
from flows.settings import Settings

INTERVAL_SECONDS = 5.0
# This query runs often, so it must not read the whole history. The hourly sweep looks further back.
LOOKBACK = timedelta(days=1)

logger = logging.getLogger(__name__)


async def follow_up_forever() -> None:
    settings = Settings()
    with get_client(sync_client=True) as client:
        while True:
            # Jitter spreads out the queries of workers that started at the same time.
            await anyio.sleep(INTERVAL_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - not a secret
            try:
                await anyio.to_thread.run_sync(
                    follow_up_ended_runs,
                    client,
                    settings,
                    datetime.now(UTC) - LOOKBACK,
                    abandon_on_cancel=True,
                )
            except Exception:  # an error must not stop the worker
                logger.warning("following up on ended runs failed; retrying soon", exc_info=True)
