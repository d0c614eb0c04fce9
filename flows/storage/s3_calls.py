"""Call an S3 server, and abort calls that make no progress.

A frozen server or a firewall can accept data without ever responding. Read timeouts do not limit such a call,
because they do not apply while a body is being sent. In addition, botocore would retry each call that times
out. This module therefore watches the sockets and aborts a call if, for `silence_seconds`, the kernel reports
no newly acknowledged or received bytes. A slow transfer is not aborted. Errors are retried only by botocore,
within the limits of its standard mode.
"""

import asyncio
import errno
import logging
import socket
import struct
from contextlib import suppress
from time import monotonic
from typing import Any
from weakref import WeakSet

import s3fs
from fsspec.asyn import sync

from flows.storage.s3_models import open_session

SILENCE_SECONDS = 60.0
CONNECT_SECONDS = 10
CHECKS_PER_SILENCE = 20
TRIES_PER_CALL = 4
# In Linux's struct tcp_info, tcpi_bytes_acked and tcpi_bytes_received start at this offset.
_BYTES_OFFSET, _BYTES = 120, struct.Struct("=QQ")


logger = logging.getLogger(__name__)


class S3Calls:
    """An S3 client that aborts a call after `silence_seconds` without progress.

    If `endpoint_url` is None, the client connects to AWS_ENDPOINT_URL or, by default, to Amazon S3.
    """

    def __init__(self, silence_seconds: float = SILENCE_SECONDS, endpoint_url: str | None = None) -> None:
        self._silence_seconds = silence_seconds
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._has_conditions = True
        # Without `s3v4`, s3fs would sign links with signature version 2. The listings cache is not needed.
        self.files = s3fs.S3FileSystem(
            session=open_session(),
            endpoint_url=endpoint_url,
            config_kwargs={
                "signature_version": "s3v4",
                "request_checksum_calculation": "when_required",
                "retries": {"mode": "standard", "total_max_attempts": TRIES_PER_CALL},
                "connect_timeout": CONNECT_SECONDS,
                "read_timeout": 2 * silence_seconds,  # stalled calls are aborted before this timeout
                "connector_args": {"socket_factory": self._open_socket},
            },
            use_listings_cache=False,
            skip_instance_cache=True,  # A cached instance would keep old endpoints and credentials.
        )
        self.files.retries = 1  # s3fs must not retry in addition to botocore

    def call(self, method: str, silence_seconds: float | None = None, /, **arguments: Any) -> dict[str, Any]:
        """Call a botocore client method. Raises TimeoutError if the call makes no progress."""
        limit = min(silence_seconds or self._silence_seconds, self._silence_seconds)
        result: dict[str, Any] = sync(self.files.loop, self._watched, method, limit, arguments)
        return result

    def create(self, method: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a method that publishes an object. Raises FileExistsError if the object already exists."""
        if self._has_conditions:
            try:
                return self.call(method, **arguments, IfNoneMatch="*")
            except OSError as error:
                if _is_precondition(error):
                    raise FileExistsError(arguments["Key"]) from error
                if error.errno != errno.ENOSYS:
                    raise
            logger.warning(
                "the storage does not support If-None-Match; each file is looked up before it is created"
            )
            self._has_conditions = False
        with suppress(FileNotFoundError):
            self.call("head_object", Bucket=arguments["Bucket"], Key=arguments["Key"])
            raise FileExistsError(arguments["Key"])
        return self.call(method, **arguments)

    async def _watched(self, method: str, silence_seconds: float, arguments: dict[str, Any]) -> Any:
        # Creating the session takes about a second of CPU time without sending any data, so do it before
        # watching for progress.
        await self.files.set_session()
        call = asyncio.ensure_future(self.files._call_s3(method, **arguments))
        bytes_before, progressed_at = self._transferred(), monotonic()
        while not (await asyncio.wait([call], timeout=silence_seconds / CHECKS_PER_SILENCE))[0]:
            transferred = self._transferred()
            if transferred != bytes_before:
                bytes_before, progressed_at = transferred, monotonic()
            elif monotonic() - progressed_at > silence_seconds:
                call.cancel()
                await asyncio.wait([call])
                raise TimeoutError(f"the storage has made no progress for {silence_seconds:g} s")
        return call.result()

    def _open_socket(self, address: tuple[Any, ...]) -> socket.socket:
        opened = socket.socket(*address[:3])
        self._sockets.add(opened)
        return opened

    def _transferred(self) -> float:
        """Return the number of bytes sent and received by the open sockets."""
        if not hasattr(socket, "TCP_INFO"):  # This system does not report the transferred bytes.
            return monotonic()
        return sum(map(_bytes_of, list(self._sockets)))


def _is_precondition(error: OSError) -> bool:
    response = getattr(error.__cause__, "response", {})
    return response.get("Error", {}).get("Code") in ("PreconditionFailed", "412")


def _bytes_of(opened: socket.socket) -> int:
    if opened.fileno() == -1:
        return 0
    info = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_OFFSET + _BYTES.size)
    return sum(_BYTES.unpack_from(info, _BYTES_OFFSET)) if len(info) >= _BYTES_OFFSET + _BYTES.size else 0
