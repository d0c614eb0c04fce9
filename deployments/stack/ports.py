"""Choose free ports, and store them in the data directory so that a restart reuses them."""

import atexit
import json
import random
import socket
import sys
from pathlib import Path

# Linux uses ports 32768 and above for outgoing connections. The storage server adds 10,000 to each of its
# ports to get the gRPC port, so HIGHEST plus 10,000 must be less than 32768.
LOWEST, HIGHEST = 12_000, 22_000
GRPC_OFFSET = 10_000
API_PORT, PREFECT_PORT = 8000, 4200

_reservations: dict[int, socket.socket] = {}


class PortTaken(Exception):
    """The requested port is in use."""


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def reserve(port: int) -> bool:
    """Reserve a port among the stacks of this machine until this process ends.

    Otherwise, another stack could choose the same port before the server of this one has opened it. Returns
    False if another process has reserved the port. Systems other than Linux have no abstract socket names, so
    there every reservation succeeds.
    """
    if port in _reservations or sys.platform != "linux":
        return True
    reservation = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        reservation.bind(f"\0report-exports-port-{port}")
    except OSError:
        reservation.close()
        return False
    _reservations[port] = reservation
    atexit.register(reservation.close)
    return True


class Ports:
    """Chooses a port for each role. Ports from the last start are reused if they are still free."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._last: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        self._chosen: dict[str, int] = {}

    def any_free(self, role: str, host: str = "127.0.0.1", *, grpc: bool = False) -> int:
        port = self._last.get(role)
        while port is None or not self._is_usable(port, host, grpc):
            port = random.randint(LOWEST, HIGHEST)  # noqa: S311 - a port, not a secret
        return self._remember(role, port)

    def choose(self, role: str, port: int | None, default: int, host: str) -> int:
        """Return a port for the role.

        If `port` is 0, the result is any free port. If `port` is None, the result is the default port, or any
        free port if the default is in use. Raises PortTaken if a requested port is in use.
        """
        if port == 0:
            return self.any_free(role, host)
        if self._is_usable(port or default, host, grpc=False):
            return self._remember(role, port or default)
        if port is None:
            return self.any_free(role, host)
        raise PortTaken(f"Port {port} on {host} is in use. Choose another one, or 0 for any free port.")

    def _is_usable(self, port: int, host: str, grpc: bool) -> bool:
        needed = [port, port + GRPC_OFFSET] if grpc else [port]
        is_usable = port not in self._chosen.values() and all(is_free(number, host) for number in needed)
        return is_usable and reserve(port)

    def _remember(self, role: str, port: int) -> int:
        self._chosen[role] = port
        self._file.write_text(json.dumps({**self._last, **self._chosen}, indent=1))
        return port
