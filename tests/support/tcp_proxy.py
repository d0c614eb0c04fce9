"""Forward TCP connections, and delay, slow, drop or cut off their traffic."""

import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

HOST = "127.0.0.1"
BUFFER = 65_536
_RESET = struct.pack("ii", 1, 0)  # as SO_LINGER, makes close() send an RST


@dataclass(frozen=True)
class Weather:
    """The network conditions of all connections.

    Each packet is delayed by `latency` seconds, and each direction is limited to `bytes_per_second`. If
    `swallows` is true, all data is dropped, but connections stay open. Each connection is closed after
    `ends_after` bytes from the server, with an RST if `resets` is true.
    """

    latency: float = 0.0
    bytes_per_second: float = 0.0
    swallows: bool = False
    ends_after: int | None = None
    resets: bool = True


CLEAR = Weather()


class TcpProxy:
    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target_url, self._target = url, (parts.hostname or HOST, int(parts.port or 0))
        self.weather = CLEAR
        self._connections: set[socket.socket] = set()
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The target's URL with the proxy's port."""
        return self._target_url.replace(f":{self._target[1]}", f":{self.port}")

    def reset_connections(self) -> None:
        for connection in list(self._connections):
            _close(connection, resets=True)

    def close(self) -> None:
        _close(self._listener, resets=False)
        self.reset_connections()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                _close(client, resets=True)
                continue
            self._connections |= {client, server}
            for source, sink in ((client, server), (server, client)):
                from_server = source is server
                threading.Thread(target=self._forward, args=(source, sink, from_server), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, from_server: bool) -> None:
        passed, resets = 0, False
        with suppress(OSError):
            sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := source.recv(BUFFER):
                weather = self.weather
                if weather.swallows:
                    continue
                time.sleep(weather.latency)
                if weather.bytes_per_second:
                    time.sleep(len(data) / weather.bytes_per_second)
                budget = BUFFER if weather.ends_after is None else max(0, weather.ends_after - passed)
                sink.sendall(data[:budget] if from_server else data)
                passed += len(data) if from_server else 0
                if from_server and budget < len(data):
                    resets = weather.resets
                    break
        for connection in (source, sink):
            self._connections.discard(connection)
            _close(connection, resets)


def _close(connection: socket.socket, resets: bool) -> None:
    with suppress(OSError):
        if resets:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            connection.shutdown(socket.SHUT_RD)  # wakes a receiving thread without sending anything
        else:
            connection.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        connection.close()
