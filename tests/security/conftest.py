"""Fixtures for attacks on the running stack."""

import os
import secrets
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.support.running_stack import Stack
from tests.support.security_table import Tally

SECRET_ROW = b"id,email\r\n1,ada@example.com\r\n"


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """Count a module's attempts. After the whole module has run, compare the count with docs/security.md."""
    tally = Tally()
    yield tally
    config = request.config
    selects = config.option.keyword or any("::" in argument for argument in config.args)
    if not selects and not request.session.testsfailed and os.geteuid() == 0:
        tally.check(request.path.name)


@pytest.fixture(scope="session")
def storage_ports(stack: Stack) -> list[int]:
    """Return all ports that the embedded storage listens on."""
    connections = psutil.Process(stack.pids["storage"]).net_connections("tcp")
    return sorted({socket.laddr.port for socket in connections if socket.status == psutil.CONN_LISTEN})


@pytest.fixture
def stored_object(stack: Stack, s3: Any) -> Iterator[str]:
    """Store an object, yield its key, and check after the test that the object is unchanged."""
    key = f"security/{secrets.token_hex(8)}.csv"
    s3.put_object(Bucket=stack.bucket, Key=key, Body=SECRET_ROW)
    yield key
    assert s3.get_object(Bucket=stack.bucket, Key=key)["Body"].read() == SECRET_ROW
    s3.delete_object(Bucket=stack.bucket, Key=key)
