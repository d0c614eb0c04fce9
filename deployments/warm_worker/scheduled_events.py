"""Hears of runs the moment they are scheduled, and whose they are."""

import logging
from collections.abc import AsyncIterator
from uuid import UUID

import anyio
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventNameFilter
from prefect.events.schemas.events import Event

from flows.runs.tags import OWNER

RECONNECT_SECONDS = 2.0
_OWNER_TAG = f"prefect.tag.{OWNER}"

logger = logging.getLogger(__name__)


async def scheduled_runs_heard(work_pool_id: UUID) -> AsyncIterator[list[str]]:
    """The run's owner, once per event; nobody after each (re)connection: something may have been missed."""
    scheduled = EventFilter(
        event=EventNameFilter(name=["prefect.flow-run.Scheduled", "prefect.flow-run.AwaitingRetry"]),
        any_resource=EventAnyResourceFilter(id=[f"prefect.work-pool.{work_pool_id}"]),
    )
    while True:
        try:
            async with get_events_subscriber(filter=scheduled) as events:
                yield []
                async for event in events:
                    yield _owners(event)
        except Exception:
            logger.debug("the event stream broke; connecting again", exc_info=True)
        await anyio.sleep(RECONNECT_SECONDS)


def _owners(event: Event) -> list[str]:
    tags = (each.id for each in event.related if each.role == "tag")
    return [tag.removeprefix(_OWNER_TAG) for tag in tags if tag.startswith(_OWNER_TAG)]
