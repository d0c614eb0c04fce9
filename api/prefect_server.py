"""Connect to the Prefect server, look up the export deployment and limit how long requests wait."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from api.web.problems import Unavailable

MAX_WAIT_SECONDS = 15.0  # limit for one request while Prefect still responds to others


class JobServer:
    def __init__(
        self, deployment: str, outage_seconds: float, client: Callable[..., PrefectClient] = get_client
    ) -> None:
        self.client = client(httpx_settings={"event_hooks": {"response": [self.heard]}})
        self._name, self._outage_seconds = deployment, outage_seconds
        self._deployment: DeploymentResponse | None = None
        # Active timeouts and the time after which they are no longer extended, by the event loop's clock.
        self._waiting: dict[asyncio.Timeout, float] = {}

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["JobServer"]:
        async with self.client:
            yield self

    async def deployment(self) -> DeploymentResponse:
        if self._deployment is None:
            self._deployment = await self.client.read_deployment_by_name(self._name)
        return self._deployment

    async def check(self) -> None:
        """Raise Unavailable if Prefect does not respond or the deployment does not exist."""
        async with self.answering():
            self._deployment = None
            await self.deployment()

    async def heard(self, _: httpx.Response) -> None:
        """Extend all active timeouts. A response to any request shows that Prefect is up."""
        now = asyncio.get_running_loop().time()
        for limit, latest in self._waiting.items():
            if not limit.expired():
                limit.reschedule(min(now + self._outage_seconds, latest))

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Run the block with a timeout.

        Raises Unavailable if Prefect responds to no request within `outage_seconds`.
        """
        latest = asyncio.get_running_loop().time() + MAX_WAIT_SECONDS
        try:
            async with asyncio.timeout(self._outage_seconds) as limit:
                self._waiting[limit] = latest
                try:
                    yield
                finally:
                    del self._waiting[limit]
        except ObjectNotFound as error:
            self._deployment = None
            raise Unavailable(f"The deployment {self._name}") from error
        except (TimeoutError, httpx.HTTPError) as error:
            raise Unavailable("The job server") from error
