"""Listen for events about scheduled runs, so that the worker does not have to wait for its next poll."""

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


async def watch_scheduled_runs(work_pool_id: UUID) -> AsyncIterator[list[str]]:
    """Yield the owners of each run that is scheduled.

    Also yields an empty list after each new connection, because earlier events may have been missed.
    """
    scheduled = EventFilter(
        event=EventNameFilter(name=["prefect.flow-run.Scheduled", "prefect.flow-run.AwaitingRetry"]),
        any_resource=EventAnyResourceFilter(id=[f"prefect.work-pool.{work_pool_id}"]),
    )
    while True:
        try:
            async with get_events_subscriber(filter=scheduled) as events:
                yield []
                async for event in events:
                    yield _list_owners(event)
        except Exception:
            logger.debug("the event stream was interrupted; reconnecting", exc_info=True)
        await anyio.sleep(RECONNECT_SECONDS)


def _list_owners(event: Event) -> list[str]:
    tags = (resource.id for resource in event.related if resource.role == "tag")
    return [tag.removeprefix(_OWNER_TAG) for tag in tags if tag.startswith(_OWNER_TAG)]
