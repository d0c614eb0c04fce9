"""HTTP transport to Prefect whose connection pool survives cancelled calls and unresponsive connections.

If a call is cancelled while it is connecting, httpcore 1.0.9 never frees its connection. A few cancelled
calls during a short Prefect outage would therefore fill the pool permanently. To prevent this, the transport
does not cancel a call when its caller stops waiting. The call continues until it finishes or one of httpx's
timeouts ends it.
"""

import asyncio
import logging
import time
from collections.abc import Callable

import httpx

MAX_CALLS = 16  # the size of Prefect's own connection pool
PROBE_TIMEOUT_SECONDS = 5.0
# Replace the pool if this many probes succeed on new connections while none of the pool's own calls gets a
# response. A busy server answers probes sooner than calls, so a few successful probes prove nothing.
MAX_SILENT_PROBES = 10
# Errors raised when a connection was closed while it was idle or in use. The call is then repeated at once.
# Prefect's client would repeat it only after a delay that exceeds the outage limit.
CLOSED = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)

NoteResponse = Callable[[float], None]

logger = logging.getLogger(__name__)


class Pool:
    """A connection pool with at most `MAX_CALLS` calls in progress. Additional calls wait for a slot.

    `note_response` receives the delay of each response, even if the caller has stopped waiting for it.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, note_response: NoteResponse) -> None:
        self._transport, self._note_response = transport, note_response
        self._calls: set[asyncio.Task[httpx.Response]] = set()
        self.slots = asyncio.Semaphore(MAX_CALLS)
        self.silent_probes = 0

    def start(self, request: httpx.Request) -> asyncio.Task[httpx.Response]:
        """Send the request in a separate task.

        The caller must have acquired a slot. The slot is released when the task ends.
        """
        call = asyncio.create_task(self.send(request))
        self._calls.add(call)
        call.add_done_callback(self._end)
        return call

    def _end(self, call: asyncio.Task[httpx.Response]) -> None:
        self._calls.discard(call)
        self.slots.release()
        if not call.cancelled():
            call.exception()  # marks the exception as retrieved, because the caller may have stopped waiting

    async def send(self, request: httpx.Request) -> httpx.Response:
        sent_at = time.monotonic()
        response = await self._transport.handle_async_request(request)
        self.silent_probes = 0
        if not response.is_server_error:  # a server error may be from a proxy, not from Prefect
            self._note_response(time.monotonic() - sent_at)
        try:
            body = b"".join([part async for part in response.aiter_raw()])
        finally:
            await response.aclose()
        return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(body))

    async def close(self) -> None:
        """Close the connections after the last call has ended."""
        if self._calls:
            await asyncio.wait(self._calls)
        await self._transport.aclose()

    async def abort(self) -> None:
        for call in list(self._calls):
            call.cancel()
        await self.close()


class PrefectTransport(httpx.AsyncBaseTransport):
    """Shields calls from cancellation and replaces a connection pool that has become unresponsive.

    While a call waits, Prefect's health is checked every `probe_seconds` on a new connection. If Prefect
    responds only on new connections, the pool is replaced. Each response and its delay in seconds are
    reported to `note_response`.
    """

    def __init__(
        self,
        open_transport: Callable[[], httpx.AsyncBaseTransport],
        health_url: Callable[[], str],
        probe_seconds: float,
        note_response: NoteResponse,
    ) -> None:
        self._open, self._health_url = open_transport, health_url
        self._probe_seconds, self._note_response = probe_seconds, note_response
        self._pool: Pool | None = None
        self._new_pool: Pool | None = None
        self._probing: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._send(request)
        except CLOSED as error:
            logger.debug("repeating a call whose connection was closed: %r", error)
            return await self._send(request)

    async def _send(self, request: httpx.Request) -> httpx.Response:
        pool = await self._pool_with_slot()
        call = pool.start(request)
        while not (await asyncio.wait([call], timeout=self._probe_seconds))[0]:
            self._probe(pool)
        return call.result()

    async def _pool_with_slot(self) -> Pool:
        while True:
            if self._pool is None:
                self._pool = self._open_pool()
            pool = self._pool
            await pool.slots.acquire()
            if pool is self._pool:
                return pool
            pool.slots.release()  # wake the next waiting caller, because this pool has been replaced

    def _open_pool(self) -> Pool:
        return Pool(self._open(), self._note_response)

    def _probe(self, pool: Pool) -> None:
        if self._probing is None:
            self._probing = asyncio.create_task(self._replace_if_silent(pool))

    async def _replace_if_silent(self, pool: Pool) -> None:
        try:
            fresh = self._new_pool = self._new_pool or self._open_pool()
            if (await fresh.send(self._health_request())).is_server_error:
                return
        except httpx.HTTPError as error:
            logger.debug("Prefect does not respond on a new connection either: %r", error)
            return
        finally:
            self._probing = None
        pool.silent_probes += 1
        if pool is self._pool and pool.silent_probes >= MAX_SILENT_PROBES and self._closing is None:
            logger.warning("Prefect responds on new connections only; replacing the connection pool")
            self._pool, self._new_pool = fresh, None
            pool.slots.release()  # wakes the callers waiting for this pool
            self._closing = asyncio.create_task(self._close(pool))

    def _health_request(self) -> httpx.Request:
        timeout = httpx.Timeout(PROBE_TIMEOUT_SECONDS).as_dict()
        headers = {"Connection": "close"}
        return httpx.Request("GET", self._health_url(), headers=headers, extensions={"timeout": timeout})

    async def _close(self, pool: Pool) -> None:
        try:
            await pool.close()
        finally:
            self._closing = None

    async def aclose(self) -> None:
        tasks = [task for task in (self._probing, self._closing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for pool in (self._pool, self._new_pool):
            if pool is not None:
                await pool.abort()
