"""Store files in an S3 bucket, using s3fs."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from io import BytesIO
from math import ceil
from threading import Lock
from typing import Any

import httpx
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ClientError
from fsspec.asyn import sync

from flows.formats.registry import media_type_of
from flows.storage.checksums import check_etag, content_md5, md5
from flows.storage.orphans import StoredObject
from flows.storage.protocol import Link, LinkRejected
from flows.storage.s3_calls import SILENCE_SECONDS, S3Calls

# All parts except the last have the same size, because some providers, such as Cloudflare R2, require this.
PART_BYTES = 8 << 20
MAX_PARTS = 10_000
# The part size allows for a file that is up to this many times as large as estimated.
MARGIN = 1.25
_MIB = 1 << 20
PARTS_IN_FLIGHT = 2
# Signature version 4 limits the lifetime of a link to seven days.
LONGEST_LINK_SECONDS = 604_800
LINK_TIMEOUT_SECONDS = 10
REJECTIONS = (httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND, httpx.codes.GONE)
CHECK_KEY = "report-exports-write-check"
# A clean-up call fails if it makes no progress for this long. The sweep then removes what is left.
CLEAN_UP_SECONDS = 5.0


class S3Storage:
    def __init__(
        self,
        bucket: str,
        prefix: str,
        silence_seconds: float = SILENCE_SECONDS,
        endpoint_url: str | None = None,
    ) -> None:
        self._bucket, self._prefix = bucket, prefix
        self._calls = S3Calls(silence_seconds, endpoint_url)
        self._s3 = self._calls.files
        self._http: httpx.Client | None = None

    def begin_upload(self, key: str) -> "S3Upload":
        _trust_tls(self._s3.s3)
        _send_parts_in_chunks(self._s3.s3)
        return S3Upload(self._calls, self._bucket, self._key(key))

    def remove(self, key: str) -> None:
        self._calls.call("delete_object", Bucket=self._bucket, Key=self._key(key))

    def list_objects(self) -> Iterator[StoredObject]:
        prefix = f"{self._prefix}/" if self._prefix else ""
        continuation: dict[str, str] = {}
        while True:
            page = self._calls.call("list_objects_v2", Bucket=self._bucket, Prefix=prefix, **continuation)
            for item in page.get("Contents", []):
                yield StoredObject(item["Key"].removeprefix(prefix), item["LastModified"])
            if not page.get("IsTruncated"):
                return
            continuation = {"ContinuationToken": page["NextContinuationToken"]}

    def list_unfinished(self) -> Iterator[StoredObject]:
        prefix = f"{self._prefix}/" if self._prefix else ""
        continuation: dict[str, str] = {}
        while True:
            page = self._calls.call(
                "list_multipart_uploads", Bucket=self._bucket, Prefix=prefix, **continuation
            )
            for item in page.get("Uploads", []):
                yield StoredObject(item["Key"].removeprefix(prefix), item["Initiated"], item["UploadId"])
            if not page.get("IsTruncated"):
                return
            continuation = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    def abort_upload(self, upload: StoredObject) -> None:
        self._calls.call(
            "abort_multipart_upload",
            Bucket=self._bucket,
            Key=self._key(upload.key),
            UploadId=upload.upload_id,
        )

    def sign(self, key: str, disposition: str, seconds: int, now: datetime) -> Link:
        seconds = min(seconds, self._credential_seconds(now))
        url = self._s3.url(
            f"{self._bucket}/{self._key(key)}",
            expires=seconds,
            ResponseContentDisposition=disposition,
            ResponseContentType=media_type_of(key),
        )
        # The time in the signature is truncated to whole seconds.
        return Link(url, now.replace(microsecond=0) + timedelta(seconds=seconds))

    def link_size(self, link: Link) -> int:
        try:
            with self._http_client().stream("GET", link.url) as response:
                response.raise_for_status()
                return int(response.headers["Content-Length"])
        # Suppress the original errors, because their messages contain the signed link.
        except httpx.HTTPStatusError as error:
            kind = LinkRejected if error.response.status_code in REJECTIONS else OSError
            raise kind(f"the signed link returned {error.response.status_code}") from None
        except httpx.HTTPError as error:
            raise OSError(f"the signed link cannot be read: {type(error).__name__}") from None

    def warm_up(self) -> None:
        self._s3.connect()
        self._http_client()

    def _http_client(self) -> httpx.Client:
        if self._http is None:  # Creating a client takes 40 ms.
            self._http = httpx.Client(timeout=LINK_TIMEOUT_SECONDS)
        return self._http

    def check(self) -> None:
        self._calls.call("head_bucket", Bucket=self._bucket)

    def check_writing(self) -> None:
        target = {"Bucket": self._bucket, "Key": self._key(CHECK_KEY)}
        self._calls.call("put_object", **target, Body=b"x")
        self._calls.call("delete_object", **target)

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def _credential_seconds(self, now: datetime) -> int:
        """Return the remaining lifetime of the signing credentials. A link cannot outlive its credentials."""
        credentials = self._s3.s3._request_signer._credentials
        if credentials is not None:  # Signing may renew credentials, so renew them before reading the expiry.
            sync(self._s3.loop, credentials.get_frozen_credentials)
        expiry: datetime | None = getattr(credentials, "_expiry_time", None)
        return int((expiry - now).total_seconds()) if expiry is not None else LONGEST_LINK_SECONDS


def _trust_tls(client: Any) -> None:
    """Turn off payload signing on TLS connections, because TLS already protects the payload.

    Signing requires a hash of the payload. Computing this hash takes 1 s per GB.
    """
    if client.meta.endpoint_url.startswith("https://"):
        client.meta.config.s3 = {**(client.meta.config.s3 or {}), "payload_signing_enabled": False}


def _send_parts_in_chunks(client: Any) -> None:
    """Make aiohttp send parts in small chunks, because asyncio would copy a large body twice."""
    client.meta.events.register("before-send.s3.UploadPart", _as_file, unique_id="parts-in-chunks")


def _as_file(request: AWSPreparedRequest, **_: Any) -> None:
    if isinstance(request.body, bytes):
        request.body = BytesIO(request.body)  # shares the memory of the bytes object


def part_bytes(estimated_bytes: int) -> int:
    """Return the part size for a file of about `estimated_bytes` bytes. The result is a multiple of 1 MiB."""
    needed = ceil(estimated_bytes * MARGIN / MAX_PARTS)
    return max(PART_BYTES, ceil(needed / _MIB) * _MIB)


class S3Upload:
    """An upload to S3.

    A file that is smaller than one part is sent in a single PUT request. Larger files are sent as a multipart
    upload with two parts in flight. `stored` is the number of bytes that S3 has acknowledged.
    """

    def __init__(self, calls: S3Calls, bucket: str, key: str) -> None:
        self._calls = calls
        self._part_bytes = PART_BYTES
        self._target = {"Bucket": bucket, "Key": key}
        self._part = BytesIO()
        # All calls run in the thread pool, so that a signal interrupts only the wait, never the call itself.
        self._creating: Future[str] | None = None
        self._committing: Future[None] | None = None
        self._parts: list[Future[dict[str, Any]]] = []
        self._pool = ThreadPoolExecutor(PARTS_IN_FLIGHT, thread_name_prefix="upload")
        self._counting = Lock()
        self.stored = 0

    def expect(self, estimated_bytes: int) -> None:
        self._part_bytes = part_bytes(estimated_bytes)

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            free = self._part_bytes - self._part.tell()
            self._part.write(rest[:free])
            rest = rest[free:]
            if self._part.tell() >= self._part_bytes:
                self._send_part()

    def commit(self) -> None:
        """Publish the object.

        Raises FileExistsError if the key already exists. Attempts therefore cannot overwrite each other's
        objects.
        """
        if self._creating is None:
            self._committing = self._pool.submit(self._put, self._next_body())
        else:
            if self._part.tell():
                self._submit_part()
            parts = [part.result() for part in self._parts]
            self._committing = self._pool.submit(self._complete, self._creating.result(), parts)
        self._committing.result()
        self._pool.shutdown()

    def abort(self) -> None:
        """Remove everything that this upload stored, including data from calls whose responses were lost."""
        self._pool.shutdown(cancel_futures=True)
        if self._committing is not None and not _was_rejected(self._committing):
            self._clean_up("delete_object")
        if self._creating is not None and not self._creating.cancelled():
            for upload_id in self._unfinished():
                self._clean_up("abort_multipart_upload", UploadId=upload_id)

    def _unfinished(self) -> list[str]:
        assert self._creating is not None  # noqa: S101 - the caller has checked it
        if self._creating.exception() is None:
            return [self._creating.result()]
        bucket, key = self._target["Bucket"], self._target["Key"]
        listed = self._calls.call("list_multipart_uploads", CLEAN_UP_SECONDS, Bucket=bucket, Prefix=key)
        return [upload["UploadId"] for upload in listed.get("Uploads", []) if upload["Key"] == key]

    def _clean_up(self, method: str, **arguments: Any) -> None:
        self._calls.call(method, CLEAN_UP_SECONDS, **self._target, **arguments)

    def _send_part(self) -> None:
        if self._creating is None:
            self._creating = self._pool.submit(self._create)
            self._creating.result()
        self._submit_part()
        if len(self._parts) > PARTS_IN_FLIGHT:  # Limit the number of parts in memory.
            self._parts[-1 - PARTS_IN_FLIGHT].result()

    def _submit_part(self) -> None:
        self._parts.append(self._pool.submit(self._put_part, len(self._parts) + 1, self._next_body()))

    def _next_body(self) -> bytes:
        part, self._part = self._part, BytesIO()
        return part.getvalue()

    def _create(self) -> str:
        kind = media_type_of(self._target["Key"])
        response = self._calls.call("create_multipart_upload", **self._target, ContentType=kind)
        return _field(response, "UploadId")

    def _put(self, body: bytes) -> None:
        kind, digest = media_type_of(self._target["Key"]), md5(body)
        response = self._calls.create(
            "put_object", **self._target, Body=body, ContentType=kind, ContentMD5=content_md5(digest)
        )
        check_etag(response, digest)
        self._count(body)

    def _put_part(self, number: int, body: bytes) -> dict[str, Any]:
        assert self._creating is not None  # noqa: S101 - parts follow the creation of the upload
        upload_id, digest = self._creating.result(), md5(body)
        part = {"UploadId": upload_id, "PartNumber": number, "ContentMD5": content_md5(digest)}
        response = self._calls.call("upload_part", **self._target, **part, Body=body)
        check_etag(response, digest)
        self._count(body)
        return {"PartNumber": number, "ETag": _field(response, "ETag")}

    def _complete(self, upload_id: str, parts: list[dict[str, Any]]) -> None:
        self._calls.create(
            "complete_multipart_upload",
            **self._target,
            UploadId=upload_id,
            MultipartUpload={"Parts": parts},
        )

    def _count(self, body: bytes) -> None:
        with self._counting:
            self.stored += len(body)


def _field(response: dict[str, Any], name: str) -> str:
    """Return a field, or raise OSError if it is missing. A few servers send errors with status 200."""
    if name not in response:
        raise OSError(f"the storage sent a response without {name}")
    return str(response[name])


def _was_rejected(committing: Future[None]) -> bool:
    """Return whether the storage rejected the commit.

    If it did, any object that exists under the key is from a different attempt.
    """
    error = None if committing.cancelled() else committing.exception()
    if committing.cancelled() or isinstance(error, FileExistsError):
        return True
    cause = error if isinstance(error, ClientError) or error is None else error.__cause__
    if not isinstance(cause, ClientError):
        return False
    status = cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return bool(400 <= status < 500)
