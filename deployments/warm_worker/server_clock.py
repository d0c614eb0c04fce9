"""Tell the time by the clock of the Prefect server.

Prefect's server sets the timestamps of states and heartbeats. Compared with a worker's own clock, a clock
that is 20 s fast would make every healthy run look lost.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
from prefect.client.orchestration import PrefectClient


class ServerClock:
    """The clock of the Prefect server, as reported by the `Date` header of its latest response.

    It may be about a second slow, because the header has whole seconds. Until the first response with such a
    header, this is the local clock.
    """

    def __init__(self, client: PrefectClient) -> None:
        self._ahead = timedelta()  # negative if the local clock is fast
        client._client.event_hooks["response"].append(self._note)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    async def _note(self, response: httpx.Response) -> None:
        try:
            self._ahead = parsedate_to_datetime(response.headers["Date"]) - datetime.now(UTC)
        except (KeyError, ValueError, TypeError):  # a proxy removed or changed the header
            return
