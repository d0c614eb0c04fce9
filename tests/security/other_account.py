"""Attack the stack from another local account.

Tests run this script in a separate process. It starts as root, because the other account may not be able to
execute the interpreter, and then switches to that account. It reads a JSON list of attempts from standard
input and prints a JSON list of their results. An empty string means that an attempt was rejected.
"""

import encodings.idna  # noqa: F401 - imports may fail after the switch to the other account
import http.client
import json
import os
import socket
import ssl
import sys
from contextlib import suppress
from pathlib import Path

TIMEOUT_SECONDS = 5
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


def request(port: int, method: str, path: str, body: str = "") -> str:
    """Return the response if it is successful, else an empty string."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    connection.request(method, path, body.encode() or None)
    response = connection.getresponse()
    content = response.read().decode(errors="replace")
    return f"{response.status} {content[:500]}" if 200 <= response.status < 300 else ""


def grpc(port: int) -> str:
    """Send the HTTP/2 preface and return the response in hex.

    gRPC servers respond only to clients that they accept.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection:
        connection.sendall(HTTP2_PREFACE)
        return connection.recv(100).hex()


def grpc_over_tls(port: int, certificate: str = "", key: str = "") -> str:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    if certificate:
        context.load_cert_chain(certificate, key)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as plain,
        context.wrap_socket(plain) as connection,
    ):
        connection.sendall(HTTP2_PREFACE)
        return connection.recv(100).hex()


def read_file(path: str) -> str:
    return Path(path).read_bytes()[:100].hex() or "empty"


def write_file(path: str) -> str:
    with open(path, "ab"):
        return "opened for writing"


def list_folder(path: str) -> str:
    return " ".join(os.listdir(path)) or "empty"


def unix_socket(path: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        return "connected"


ATTEMPTS = {
    attempt.__name__: attempt
    for attempt in (request, grpc, grpc_over_tls, read_file, write_file, list_folder, unix_socket)
}


def become(account: int) -> None:
    os.setgroups([])
    os.setgid(account)
    os.setuid(account)


def main() -> None:
    become(int(sys.argv[1]))
    results = []
    for name, *arguments in json.load(sys.stdin):
        result = ""
        with suppress(OSError, http.client.HTTPException):
            result = ATTEMPTS[name](*arguments)
        results.append(result)
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
