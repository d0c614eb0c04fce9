"""Test links to an S3 server whose public address differs from the address that the service uses."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from flows.storage.from_url import open_storage
from flows.storage.protocol import content_disposition, upload
from tests.support import nginx
from tests.support.app_in_process import application, call
from tests.support.extra_processes import free_port
from tests.support.prefect_job import JOB_ID, RECEIPT, WHOLE, job
from tests.support.running_stack import Stack

KEY = f"{JOB_ID}/{RECEIPT.attempt}.csv"
CONTENT = b"id\r\n1\r\n"


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    """Create a certificate for localhost, and return a context that trusts it."""
    return nginx.create_certificate(tmp_path)[1]


@pytest.fixture
def public_url(stack: Stack, tmp_path: Path, context: ssl.SSLContext) -> Iterator[str]:
    """Run the proxy of docs/deploy.md in front of the stack's S3 server, and yield the URL of the proxy."""
    port = free_port()
    [server] = [block for block in nginx.read_blocks("deploy.md") if "storage.internal" in block]
    server = nginx.with_certificate(server, tmp_path / nginx.CERTIFICATE, port)
    content = server.replace("http://storage.internal:9000", stack.s3_endpoint_url)
    with nginx.running(content, tmp_path, port):
        yield f"https://localhost:{port}"


@pytest.fixture(autouse=True)
def credentials(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in stack.aws.items():
        monkeypatch.setenv(name, value)


def test_the_api_signs_links_for_the_public_address(
    stack: Stack,
    public_url: str,
    context: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    settings = {"REPORTS_STORAGE_URL": stack.storage_url, "REPORTS_S3_PUBLIC_URL": public_url}
    app = application(monkeypatch, tmp_path, **settings)

    async def link(_: httpx.AsyncClient) -> str:
        return (await app.context.links.link_to(job("COMPLETED", WHOLE))).url

    url = call(app, link)
    internal = open_storage(stack.storage_url, "", 60.0)
    with upload(internal, KEY) as started:
        started.write(CONTENT)
        started.commit()
    try:
        assert url.startswith(f"{public_url}/")
        answer = httpx.get(url, verify=context, trust_env=False)
        assert (answer.status_code, answer.content) == (200, CONTENT)
        assert answer.headers["content-disposition"].startswith(f'attachment; filename="{RECEIPT.name}"')
        # The signature contains the host, so a link for the internal address fails at the public address.
        signed = internal.sign(KEY, content_disposition("a.csv"), 60, datetime.now(UTC))
        assert internal.link_size(signed) == len(CONTENT)
        moved = signed.url.replace(stack.s3_endpoint_url, public_url)
        assert httpx.get(moved, verify=context, trust_env=False).status_code == httpx.codes.FORBIDDEN
    finally:
        internal.remove(KEY)
