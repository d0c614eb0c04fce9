"""The connection to the Prefect server: the deployment of exports, and timeouts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from api.web.problems import Unavailable

MAX_WAIT_SECONDS = 15.0  # while Prefect answers other requests


class JobServer:
    def __init__(
        self, deployment: str, outage_seconds: float, client: Callable[..., PrefectClient] = get_client
    ) -> None:
        self.client = client(httpx_settings={"event_hooks": {"response": [self.heard]}})
        self._name, self._outage_seconds = deployment, outage_seconds
        self._deployment: DeploymentResponse | None = None
        # Running timeouts and the latest end of each, in seconds of the event loop's clock.
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
        """Raise Unavailable if no run could be started now."""
        async with self.answering():
            self._deployment = None
            await self.deployment()

    async def heard(self, _: httpx.Response) -> None:
        """Extend all timeouts, since a response to any request shows that Prefect is up."""
        now = asyncio.get_running_loop().time()
        for limit, latest in self._waiting.items():
            if not limit.expired():
                limit.reschedule(min(now + self._outage_seconds, latest))

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Raise Unavailable if Prefect answers no request within the outage time."""
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
