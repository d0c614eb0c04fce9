"""Connect to the Prefect server, look up the export deployment and limit how long requests wait."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from api.outage import OutageLimit
from api.prefect_transport import PrefectTransport
from api.web.problems import Unavailable
from flows.runs.prefect_calls import HEADERS

# A start makes several calls. While Prefect is busy but alive, it waits this long rather than failing.
MAX_WAIT_SECONDS = 120.0
# The httpx timeouts for each call. They end calls whose callers have stopped waiting.
CALL_TIMEOUT_SECONDS = 60.0
PROBES_PER_OUTAGE = 3


class JobServer:
    def __init__(
        self, deployment: str, outage_seconds: float, client: Callable[..., PrefectClient] = get_client
    ) -> None:
        self._limit = OutageLimit(outage_seconds, MAX_WAIT_SECONDS)
        transport = PrefectTransport(
            open_transport=lambda: _open_transport(client),
            health_url=lambda: f"{self.client.api_url}health",
            probe_seconds=outage_seconds / PROBES_PER_OUTAGE,
            note_response=self._limit.note_response,
        )
        settings = {"transport": transport, "timeout": CALL_TIMEOUT_SECONDS, "headers": dict(HEADERS)}
        self.client = client(httpx_settings=settings)
        self._name = deployment
        self._deployment: DeploymentResponse | None = None

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["JobServer"]:
        async with self.client:
            yield self

    async def deployment(self) -> DeploymentResponse:
        if self._deployment is None:
            self._deployment = await self._read_deployment()
        return self._deployment

    async def _read_deployment(self) -> DeploymentResponse:
        try:
            return await self.client.read_deployment_by_name(self._name)
        except ObjectNotFound as error:
            message = f"the deployment {self._name} is not registered in Prefect"
            raise ObjectNotFound(error.http_exc, message) from None

    async def check(self) -> None:
        """Raise Unavailable if Prefect does not respond or the deployment does not exist."""
        async with self.answering():  # until it returns, starts use the deployment that is already known
            self._deployment = await self._read_deployment()

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Run the block. Raises Unavailable if Prefect stops responding or answers with an error."""
        try:
            async with self._limit.limited():
                yield
        except ObjectNotFound as error:
            self._deployment = None
            raise Unavailable(f"The deployment {self._name}") from error
        except (TimeoutError, httpx.HTTPError) as error:
            raise Unavailable("The job server") from error


def _open_transport(client: Callable[..., PrefectClient]) -> httpx.AsyncBaseTransport:
    """Open a transport with Prefect's own TLS, proxy and retry settings."""
    unused = client(httpx_settings={"timeout": CALL_TIMEOUT_SECONDS})
    return unused._client._transport_for_url(unused.api_url)
