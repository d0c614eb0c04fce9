"""Listen for events about scheduled runs, so that the worker does not have to wait for its next poll."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import anyio
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventNameFilter
from prefect.events.schemas.events import Event

from flows.runs.tags import OWNER, WEBHOOK

RECONNECT_SECONDS = 2.0
_OWNER_TAG, _WEBHOOK_TAG = f"prefect.tag.{OWNER}", f"prefect.tag.{WEBHOOK}"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scheduled:
    """A scheduled run and its owners.

    `owners` is empty for a webhook delivery, because deliveries have a queue of their own. Each time the
    event stream connects, it first yields an item whose `run_id` is None, to indicate that events may have
    been missed.
    """

    run_id: UUID | None
    owners: tuple[str, ...]


async def watch_scheduled_runs(work_pool_id: UUID) -> AsyncIterator[Scheduled]:
    scheduled = EventFilter(
        event=EventNameFilter(name=["prefect.flow-run.Scheduled", "prefect.flow-run.AwaitingRetry"]),
        any_resource=EventAnyResourceFilter(id=[f"prefect.work-pool.{work_pool_id}"]),
    )
    while True:
        try:
            async with get_events_subscriber(filter=scheduled) as events:
                yield Scheduled(None, ())
                async for event in events:
                    yield Scheduled(event.resource.prefect_object_id("prefect.flow-run"), _owners(event))
        except Exception:
            logger.debug("the event stream was interrupted; reconnecting", exc_info=True)
        await anyio.sleep(RECONNECT_SECONDS)


def _owners(event: Event) -> tuple[str, ...]:
    tags = [resource.id for resource in event.related if resource.role == "tag"]
    if _WEBHOOK_TAG in tags:
        return ()
    return tuple(tag.removeprefix(_OWNER_TAG) for tag in tags if tag.startswith(_OWNER_TAG))
