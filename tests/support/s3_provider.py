"""A small S3 server that enforces provider-specific rules, unlike the embedded storage."""

import hashlib
import threading
import uuid
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

BUCKET = "bucket"


@dataclass
class Provider:
    """An S3 server with optional restrictions and faults.

    If `equal_parts` is true, all parts except the last must have the same size, as on Cloudflare R2. If
    `conditions` is false, the server does not support If-None-Match, like Alibaba OSS. If `read_only` is
    true, every write is rejected, as it is for a key without write access. If `damages` is true, the server
    flips a bit in each uploaded body. If `checks_md5` is true, it rejects bodies that do not match their
    Content-MD5. If `encryption` is set, ETags are not MD5 hashes.
    """

    equal_parts: bool = False
    conditions: bool = True
    read_only: bool = False
    damages: bool = False
    checks_md5: bool = False
    encryption: dict[str, str] = field(default_factory=dict)
    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    conditional_requests: int = 0

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, str, bytes]:
        """Return the status, the ETag and the body of the response."""
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        if bucket != BUCKET:
            return _error(404, "NoSuchBucket")
        if "If-None-Match" in headers:
            self.conditional_requests += 1
            if not self.conditions:
                return _error(501, "NotImplemented")
        if self.read_only and method in ("PUT", "POST", "DELETE"):
            return _error(403, "AccessDenied")
        if method == "PUT" and self.damages:
            body = bytes([body[0] ^ 1]) + body[1:]
        if method == "PUT" and self.checks_md5 and headers["Content-MD5"] != b64encode(_md5(body)).decode():
            return _error(400, "BadDigest")
        if "uploadId" in query:
            return self._multipart(method, key, query, body)
        if method == "POST":
            upload_id = uuid.uuid4().hex
            self.uploads[upload_id] = {}
            return 200, "", _xml("InitiateMultipartUploadResult", f"<UploadId>{upload_id}</UploadId>")
        if method == "PUT":
            return self._put(key, headers, body)
        if method == "DELETE":
            self.objects.pop(key, None)
            return 204, "", b""
        if method == "HEAD" and not key:
            return 200, "", b""
        return (200, "", self.objects[key]) if key in self.objects else _error(404, "NoSuchKey")

    def _put(self, key: str, headers: Any, body: bytes) -> tuple[int, str, bytes]:
        if "If-None-Match" in headers and key in self.objects:
            return _error(412, "PreconditionFailed")
        self.objects[key] = body
        return 200, self._etag(body), b""

    def _etag(self, body: bytes) -> str:
        return (hashlib.sha256(body).digest()[:16] if self.encryption else _md5(body)).hex()

    def _multipart(self, method: str, key: str, query: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        parts = self.uploads[query["uploadId"]]
        if method == "PUT":
            parts[int(query["partNumber"])] = body
            return 200, self._etag(body), b""
        if method == "DELETE":
            del self.uploads[query["uploadId"]]
            return 204, "", b""
        sizes = [len(parts[number]) for number in sorted(parts)]
        if self.equal_parts and (len(set(sizes[:-1])) > 1 or sizes[-1] > sizes[0]):
            return _error(400, "InvalidPart")
        self.objects[key] = b"".join(parts[number] for number in sorted(parts))
        return 200, "", _xml("CompleteMultipartUploadResult", "<ETag>x</ETag>")


def _md5(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()


def _xml(name: str, content: str) -> bytes:
    return f'<?xml version="1.0"?><{name}>{content}</{name}>'.encode()


def _error(status: int, code: str) -> tuple[int, str, bytes]:
    return status, "", _xml("Error", f"<Code>{code}</Code><Message>Not like this</Message>")


@contextmanager
def running(provider: Provider) -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, etag, content = provider.answer(self.command, self.path, self.headers, body)
            self.send_response(status)
            if etag:
                self.send_header("ETag", f'"{etag}"')
            for name, value in provider.encryption.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle

        def log_message(self, *arguments: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield provider
    server.shutdown()
    server.server_close()
