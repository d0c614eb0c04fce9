"""S3 server that discards object contents. It is used to measure exports without the cost of storage.

`python -m benchmarks.discarding_sink` prints its URL and serves until stdin is closed. It implements the
requests that an export sends: PUT, multipart uploads, HEAD, DELETE, and GET without a body.
"""

import asyncio
import itertools
import sys
from collections import defaultdict
from urllib.parse import parse_qs, urlsplit

import httptools
import uvloop

ETAG = '"discarded"'  # not an MD5 digest, so exports do not compare it with the digest of the part
LOCATION = "<Bucket>bucket</Bucket><Key>key</Key>"
REASONS = {200: "OK", 204: "No Content", 404: "Not Found"}

upload_ids = itertools.count(1)
sizes: dict[str, int] = {}
parts: dict[str, dict[str, int]] = defaultdict(dict)


class Connection(asyncio.Protocol):
    """HTTP connection that counts and discards request bodies."""

    def connection_made(self, transport: asyncio.WriteTransport) -> None:  # type: ignore[override]
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url, self._body_bytes, self._content_bytes = b"", 0, 0

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"expect":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        elif name == b"x-amz-decoded-content-length":  # the body also contains chunk headers and a checksum
            self._content_bytes = int(value)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)

    def on_message_complete(self) -> None:
        url = urlsplit(self._url.decode())
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        method = self._parser.get_method().decode()
        self._transport.write(handle(method, url.path, query, self._content_bytes or self._body_bytes))


def handle(method: str, path: str, query: dict[str, str], size: int) -> bytes:
    if "uploads" in query:
        return build_response(
            200, f"{LOCATION}<UploadId>{next(upload_ids)}</UploadId>", "InitiateMultipartUploadResult"
        )
    if "uploadId" in query:
        return handle_multipart(method, path, query, size)
    if "list-type" in query:
        return list_objects(path.rstrip("/"))
    if method == "PUT":
        sizes[path] = size
    elif method == "DELETE":
        sizes.pop(path, None)
        return build_response(204)
    elif path.rstrip("/") not in sizes:
        return build_response(404)
    # After sending a GET, the service reads only the response headers and then closes the connection.
    return build_response(200, length=sizes.get(path, 0) if method in ("GET", "HEAD") else 0)


def handle_multipart(method: str, path: str, query: dict[str, str], size: int) -> bytes:
    upload_id = query["uploadId"]
    if method == "PUT":
        parts[upload_id][query["partNumber"]] = size
        return build_response(200)
    stored = parts.pop(upload_id, {})
    if method == "DELETE":
        return build_response(204)
    sizes[path] = sum(stored.values())
    return build_response(200, f"{LOCATION}<ETag>{ETAG}</ETag>", "CompleteMultipartUploadResult")


def list_objects(bucket: str) -> bytes:
    contents = [
        f"<Contents><Key>{path.removeprefix(f'{bucket}/')}</Key><Size>{size}</Size></Contents>"
        for path, size in sizes.items()
        if path.startswith(f"{bucket}/")
    ]
    return build_response(200, "".join(contents), "ListBucketResult")


def build_response(status: int, inner: str = "", root: str = "", length: int = 0) -> bytes:
    body = f"<{root}>{inner}</{root}>" if root else ""
    head = [f"HTTP/1.1 {status} {REASONS[status]}", f"ETag: {ETAG}", "Content-Type: application/xml"]
    return "\r\n".join([*head, f"Content-Length: {length or len(body)}", "", body]).encode()


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"http://127.0.0.1:{port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve())
