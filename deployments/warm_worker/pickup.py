"""Hears of runs the moment they are scheduled."""

import logging
from collections.abc import AsyncIterator
from uuid import UUID

import anyio
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventNameFilter

RECONNECT_SECONDS = 2.0

logger = logging.getLogger(__name__)


async def scheduled_runs_heard(work_pool_id: UUID) -> AsyncIterator[None]:
    """Yields once per event, and once after each (re)connection: something may have been missed."""
    scheduled = EventFilter(
        event=EventNameFilter(name=["prefect.flow-run.Scheduled", "prefect.flow-run.AwaitingRetry"]),
        any_resource=EventAnyResourceFilter(id=[f"prefect.work-pool.{work_pool_id}"]),
    )
    while True:
        try:
            async with get_events_subscriber(filter=scheduled) as events:
                yield
                async for _ in events:
                    yield
        except Exception:
            logger.debug("the event stream broke; connecting again", exc_info=True)
        await anyio.sleep(RECONNECT_SECONDS)
