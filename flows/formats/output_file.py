"""Pack and hash the output file in a thread while the database sends the next rows."""

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from flows.formats.containers import Container
from flows.rows.pipeline import Block

BLOCKS_IN_FLIGHT = 2


class OutputFile:
    """Packs blocks into a container.

    `bytes` and `sha256` are final once `finish` has returned.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._digest = hashlib.sha256()
        self._pending: deque[Future[bytes]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="packing")
        self.bytes = 0

    def __enter__(self) -> "OutputFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def add(self, block: Block) -> list[bytes]:
        """Submit a block and return the bytes that are ready to be stored.

        The returned bytes may belong to earlier blocks.
        """
        self._pending.append(self._thread.submit(lambda: self._count(self._container.add(block))))
        return self._ready(BLOCKS_IN_FLIGHT)

    def finish(self) -> list[bytes]:
        self._pending.append(self._thread.submit(lambda: self._count(self._container.finish())))
        return self._ready(0)

    def _count(self, packed: bytes) -> bytes:
        self._digest.update(packed)
        self.bytes += len(packed)
        return packed

    def _ready(self, most_pending: int) -> list[bytes]:
        """Wait until at most `most_pending` blocks are being packed, and return the packed bytes.

        This limits memory use.
        """
        ready = []
        while self._pending and (len(self._pending) > most_pending or self._pending[0].done()):
            ready.append(self._pending.popleft().result())
        return [data for data in ready if data]
