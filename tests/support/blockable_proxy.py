"""TCP proxy that can simulate an outage.

In `closed` mode, it refuses connections. In `silent` mode, it accepts them but forwards nothing.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

HOST = "127.0.0.1"


class BlockableProxy:
    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or HOST, int(parts.port or 0))
        self._target_url = url
        self._forwarding = threading.Event()
        self._forwarding.set()
        self._connections: set[socket.socket] = set()
        self._listener = self._listen(0)
        self._port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        """URL of the target with the proxy's port."""
        return self._target_url.replace(f":{self._target[1]}", f":{self._port}")

    @contextmanager
    def blocked(self, mode: str) -> Iterator[None]:
        if mode == "silent":
            self._forwarding.clear()
        else:
            self.close()
        try:
            yield
        finally:
            if mode == "silent":
                self.close_connections()
                self._forwarding.set()
            else:
                self._listener = self._listen(self._port)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.close_connections()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server((HOST, port))
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            self._connections |= {client, server}
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self._forwarding.wait()
                sink.sendall(data)
        for connection in (source, sink):
            self._connections.discard(connection)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def close_connections(self) -> None:
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
