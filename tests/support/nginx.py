"""Run nginx with the configurations from the documentation."""

import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme

from tests.support.system_programs import require_program

DOCS = Path(__file__).parents[2] / "docs"
READY_SECONDS = 20
CERTIFICATE = "localhost.pem"
CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {content}
}}
"""


def read_blocks(page: str) -> list[str]:
    """Return the nginx configurations on a page of the documentation."""
    return re.findall(r"```nginx\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def with_certificate(server: str, certificate: Path, port: int) -> str:
    """Make a documented TLS server listen on a port of localhost and use the certificate."""
    server = re.sub(r"(ssl_certificate(?:_key)?) +[^;]+;", rf"\1 {certificate};", server)
    return server.replace("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;")


def create_certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Return a file with a key and a certificate for localhost, and a context that trusts the certificate."""
    authority, file, context = trustme.CA(), folder / CERTIFICATE, ssl.create_default_context()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(file)
    authority.configure_trust(context)
    return file, context


def check(content: str, folder: Path) -> str:
    """Return nginx's messages about the configuration, without the message that it is valid."""
    command = [require_program("nginx"), "-t", "-p", str(folder), "-c", str(_write(content, folder))]
    finished = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - a fixed command
    lines = finished.stderr.splitlines()
    return "\n".join(line for line in lines if not re.search("syntax is ok|test is successful", line))


@contextmanager
def running(content: str, folder: Path, port: int) -> Iterator[None]:
    """Run nginx with the configuration, which must listen on the port of 127.0.0.1."""
    command = [require_program("nginx"), "-p", str(folder), "-c", str(_write(content, folder))]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)  # noqa: S603 - a fixed command
    try:
        until = time.monotonic() + READY_SECONDS
        while not _listens(port):
            assert process.poll() is None, check(content, folder)
            assert time.monotonic() < until, "nginx does not listen"
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(10)


def _write(content: str, folder: Path) -> Path:
    file = folder / "nginx.conf"
    file.write_text(CONFIG.format(folder=folder, content=content), encoding="utf-8")
    return file


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
    except OSError:
        return False
    return True
