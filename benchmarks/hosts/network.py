"""Create hosts with their own network, so that they can be cut off. This needs root.

Each host is a network namespace that is connected to a bridge by a virtual cable. Ports on the bridge's
address are forwarded to servers that listen on the machine's loopback address.
"""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from benchmarks.hosts.cpu_group import CpuGroup

PROGRAMS = ("ip", "socat", "redis-server", "nginx")


@dataclass(frozen=True)
class Host:
    """A network namespace. `cable` is the network interface that connects it to the bridge."""

    name: str
    address: str
    cable: str
    cpu: CpuGroup

    def cut_off(self) -> None:
        _ip("link", "set", self.cable, "down")

    def reconnect(self) -> None:
        _ip("link", "set", self.cable, "up")

    def command(self, *arguments: str) -> tuple[str, ...]:
        """Return a command that runs on this host."""
        return ("ip", "netns", "exec", self.name, *arguments)


@dataclass
class Network:
    """A bridge and the hosts connected to it. `gateway` is the machine's address on the bridge."""

    name: str
    subnet: str
    hosts: list[Host] = field(default_factory=list)
    _forwarders: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def gateway(self) -> str:
        return f"{self.subnet}.1"

    def add_host(self) -> Host:
        number = len(self.hosts) + 2
        name = f"{self.name}h{number}"
        host = Host(name, f"{self.subnet}.{number}", f"{self.name}c{number}", CpuGroup(name))
        self.hosts.append(host)
        _ip("netns", "add", name)
        _ip("link", "add", host.cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", host.cable, "master", self.name, "up")
        _ip("-netns", name, "address", "add", f"{host.address}/24", "dev", "eth0")
        _ip("-netns", name, "link", "set", "eth0", "up")
        _ip("-netns", name, "link", "set", "lo", "up")
        return host

    def forward(self, port: int, to_port: int) -> None:
        """Forward a gateway port to a server on loopback. Existing connections to the port are closed."""
        if previous := self._forwarders.pop(port, None):
            _end_with_children(previous)
        listen = f"TCP-LISTEN:{port},bind={self.gateway},reuseaddr,fork,backlog=1024"
        command = ("socat", listen, f"TCP:127.0.0.1:{to_port}")
        self._forwarders[port] = subprocess.Popen(  # noqa: S603 - a fixed program
            command, start_new_session=True, stderr=subprocess.DEVNULL
        )

    def forward_url(self, url: str) -> str:
        """Forward the port of a server on loopback, and return the URL that the hosts use to reach it."""
        port = urlsplit(url).port
        assert port is not None  # noqa: S101 - servers of tests have a port
        self.forward(port, port)
        return url.replace("127.0.0.1", self.gateway)

    def close(self) -> None:
        for forwarder in self._forwarders.values():
            _end_with_children(forwarder)
        for host in self.hosts:
            _ip("netns", "delete", host.name)
            host.cpu.remove()
        _ip("link", "delete", self.name)


@contextmanager
def open_network() -> Iterator[Network]:
    """Create a bridge and yield its network. Afterwards, remove the bridge and its hosts.

    The caller must end all processes on the hosts before leaving the `with` block.
    """
    number = random.randint(1, 254)  # noqa: S311 - not a secret
    network = Network(f"rex{os.getpid() % 10_000}", f"10.77.{number}")
    with ExitStack() as undo:
        _ip("link", "add", network.name, "type", "bridge")
        undo.callback(network.close)
        _ip("address", "add", f"{network.gateway}/24", "dev", network.name)
        _ip("link", "set", network.name, "up")
        yield network


def missing_requirements() -> str | None:
    """Return a message if this machine cannot create a network of hosts, otherwise None."""
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        return f"Install {', '.join(missing)}."
    return None if os.geteuid() == 0 else "Network namespaces need root. Run this as root."


def _ip(*arguments: str) -> None:
    subprocess.run(("ip", *arguments), check=True)  # noqa: S603, S607 - a fixed program


def _end_with_children(process: subprocess.Popen[bytes]) -> None:
    """End socat and the children that serve its connections."""
    os.killpg(process.pid, 9)
    process.wait()
