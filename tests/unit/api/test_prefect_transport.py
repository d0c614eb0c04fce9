"""Test that calls to Prefect recover from outages and from unresponsive connections."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from api.prefect_transport import MAX_CALLS, PrefectTransport
from tests.support.blockable_proxy import BlockableProxy

CALLERS = 3 * MAX_CALLS
WAIT_SECONDS, CALL_SECONDS = 0.3, 3


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    is_released, is_waiting = threading.Event(), threading.Event()

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.is_waiting.set()
            self.is_released.wait()
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


@pytest.fixture
def proxy() -> Iterator[BlockableProxy]:
    with Server(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        proxy = BlockableProxy(f"http://127.0.0.1:{server.server_address[1]}")
        yield proxy
        proxy.close()
        server.shutdown()


@dataclass
class Responses:
    count: int = 0
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    late: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, delay_seconds: float) -> None:
        self.count += 1
        if delay_seconds >= 5 * WAIT_SECONDS:
            self.late.set()
        if self.count == 3:
            self.enough.set()


def open_transport() -> httpx.AsyncBaseTransport:
    return httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=MAX_CALLS))


def transport_to(
    proxy: BlockableProxy,
    responses: Responses | None = None,
    opened: Callable[[], httpx.AsyncBaseTransport] = open_transport,
) -> PrefectTransport:
    note = (responses or Responses()).note
    return PrefectTransport(opened, lambda: f"{proxy.url}/health", WAIT_SECONDS / 3, note)


async def ask(client: httpx.AsyncClient) -> str:
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            return (await client.get("/api/flow_runs")).text
    except (TimeoutError, httpx.HTTPError):
        return "no answer"


async def ask_often(client: httpx.AsyncClient) -> set[str]:
    return set(await asyncio.gather(*(ask(client) for _ in range(CALLERS))))


async def recover(client: httpx.AsyncClient) -> None:
    while await ask(client) != "ok":
        pass


async def outlive_silence(proxy: BlockableProxy) -> None:
    transport = transport_to(proxy)
    async with httpx.AsyncClient(transport=transport, base_url=proxy.url, timeout=CALL_SECONDS) as client:
        assert (await client.get("/api/flow_runs")).text == "ok"
        with proxy.blocked("silent"):
            for _ in range(3):
                assert await ask_often(client) == {"no answer"}
        async with asyncio.timeout(2 * CALL_SECONDS):
            await recover(client)
        answers = [await client.get("/api/flow_runs") for _ in range(CALLERS)]
        assert {answer.text for answer in answers} == {"ok"}


def test_calls_are_answered_again_after_a_silence(proxy: BlockableProxy) -> None:
    asyncio.run(outlive_silence(proxy))


async def replace_pool(proxy: BlockableProxy, stuck: BlockableProxy) -> None:
    """Make calls through a pool with an unresponsive server until that pool is replaced.

    All later pools connect to a working server.
    """
    opened: list[httpx.AsyncBaseTransport] = []

    class Redirecting(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            target = stuck if opened[0] is self else proxy
            request.url = request.url.copy_with(port=httpx.URL(target.url).port)
            return await super().handle_async_request(request)

    def open_next() -> httpx.AsyncBaseTransport:
        opened.append(Redirecting())
        return opened[-1]

    transport = transport_to(proxy, opened=open_next)
    async with httpx.AsyncClient(transport=transport, base_url=proxy.url, timeout=CALL_SECONDS) as client:
        with stuck.blocked("silent"):
            await ask_often(client)
            async with asyncio.timeout(20):
                await recover(client)
            assert len(opened) > 1


def test_a_silent_pool_is_replaced_when_a_fresh_one_is_answered(proxy: BlockableProxy) -> None:
    stuck = BlockableProxy(proxy.url)
    asyncio.run(replace_pool(proxy, stuck))
    stuck.close()


def test_a_slow_call_is_reported_as_responding(proxy: BlockableProxy) -> None:
    """The health checks show that the server is alive while it works on the call."""

    async def call() -> str:
        responses = Responses()
        async with httpx.AsyncClient(transport=transport_to(proxy, responses), base_url=proxy.url) as client:
            call = asyncio.create_task(client.get("/slow"))
            async with asyncio.timeout(60):
                await responses.enough.wait()
            assert not call.done()
            Answering.is_released.set()
            return (await call).text

    Answering.is_released.clear()
    assert asyncio.run(call()) == "ok"


def test_the_delay_of_a_response_is_reported_after_its_caller_has_stopped_waiting(
    proxy: BlockableProxy,
) -> None:
    async def call() -> None:
        responses = Responses()
        async with httpx.AsyncClient(transport=transport_to(proxy, responses), base_url=proxy.url) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(WAIT_SECONDS):
                    await client.get("/slow")
            await asyncio.sleep(5 * WAIT_SECONDS)
            assert not responses.late.is_set()
            Answering.is_released.set()
            async with asyncio.timeout(60):
                await responses.late.wait()

    Answering.is_released.clear()
    asyncio.run(call())


def test_a_response_of_a_proxy_in_front_is_not_reported(proxy: BlockableProxy) -> None:
    responses = Responses()

    async def unavailable(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(2 * WAIT_SECONDS / 3 if request.url.path != "/health" else 0)
        return httpx.Response(502, stream=httpx.ByteStream(b""))

    async def call() -> int:
        transport = transport_to(proxy, responses, lambda: httpx.MockTransport(unavailable))
        async with httpx.AsyncClient(transport=transport, base_url=proxy.url) as client:
            return (await client.get("/")).status_code

    assert asyncio.run(call()) == 502
    assert responses.count == 0


def test_a_call_is_repeated_at_once_if_its_connection_was_closed(proxy: BlockableProxy) -> None:
    async def call() -> str:
        async with httpx.AsyncClient(transport=transport_to(proxy), base_url=proxy.url) as client:
            call = asyncio.create_task(client.get("/slow"))
            async with asyncio.timeout(60):
                await asyncio.to_thread(Answering.is_waiting.wait)
            Answering.is_released.set()
            proxy.close_connections()
            return (await call).text

    Answering.is_released.clear()
    Answering.is_waiting.clear()
    assert asyncio.run(call()) == "ok"
