"""Store files in an S3 bucket, using the S3 calls of s3fs."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

import httpx
import s3fs

from flows.formats.registry import media_type_of
from flows.storage.orphans import StoredObject
from flows.storage.protocol import Link

# Parts start at 8 MiB and double in size every 1,000 parts. This reaches S3's limit of 5 TiB within its limit
# of 10,000 parts.
PART_BYTES = 8 << 20
PARTS_BEFORE_GROWTH = 1000
PARTS_IN_FLIGHT = 2
# The maximum lifetime of a link with signature version 4.
LONGEST_LINK_SECONDS = 604_800
LINK_TIMEOUT_SECONDS = 10


class S3Storage:
    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket, self._prefix = bucket, prefix
        # By default, s3fs signs links with version 2. Its listing cache is not needed.
        self._s3 = s3fs.S3FileSystem(
            config_kwargs={"signature_version": "s3v4", "request_checksum_calculation": "when_required"},
            use_listings_cache=False,
            skip_instance_cache=True,  # A cached instance would keep old endpoints and credentials.
        )
        self._http: httpx.Client | None = None

    def begin_upload(self, key: str) -> "S3Upload":
        _trust_tls(self._s3.s3)
        return S3Upload(self._s3, self._bucket, self._key(key))

    def remove(self, key: str) -> None:
        self._s3.call_s3("delete_object", Bucket=self._bucket, Key=self._key(key))

    def list_objects(self) -> Iterator[StoredObject]:
        prefix = f"{self._prefix}/" if self._prefix else ""
        continuation: dict[str, str] = {}
        while True:
            page = self._s3.call_s3("list_objects_v2", Bucket=self._bucket, Prefix=prefix, **continuation)
            for item in page.get("Contents", []):
                yield StoredObject(item["Key"].removeprefix(prefix), item["LastModified"])
            if not page.get("IsTruncated"):
                return
            continuation = {"ContinuationToken": page["NextContinuationToken"]}

    def list_unfinished(self) -> Iterator[StoredObject]:
        prefix = f"{self._prefix}/" if self._prefix else ""
        continuation: dict[str, str] = {}
        while True:
            page = self._s3.call_s3(
                "list_multipart_uploads", Bucket=self._bucket, Prefix=prefix, **continuation
            )
            for item in page.get("Uploads", []):
                yield StoredObject(item["Key"].removeprefix(prefix), item["Initiated"], item["UploadId"])
            if not page.get("IsTruncated"):
                return
            continuation = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    def abort_upload(self, upload: StoredObject) -> None:
        self._s3.call_s3(
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
        return Link(url, now + timedelta(seconds=seconds))

    def link_size(self, link: Link) -> int:
        try:
            with self._http_client().stream("GET", link.url) as response:
                response.raise_for_status()
                return int(response.headers["Content-Length"])
        except httpx.HTTPError as error:
            raise OSError("the signed link cannot be read") from error

    def warm_up(self) -> None:
        self._s3.connect()
        self._http_client()

    def _http_client(self) -> httpx.Client:
        if self._http is None:  # Creating a client takes 40 ms.
            self._http = httpx.Client(timeout=LINK_TIMEOUT_SECONDS)
        return self._http

    def check(self) -> None:
        self._s3.call_s3("head_bucket", Bucket=self._bucket)

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def _credential_seconds(self, now: datetime) -> int:
        """Return the remaining lifetime of the signing credentials, because a link cannot outlive them."""
        credentials = self._s3.s3._request_signer._credentials
        expiry: datetime | None = getattr(credentials, "_expiry_time", None)
        return int((expiry - now).total_seconds()) if expiry is not None else LONGEST_LINK_SECONDS


def _trust_tls(client: Any) -> None:
    """Turn off payload signing on TLS connections, where TLS already protects the payload.

    Hashing the payload takes 1 s per GB.
    """
    if client.meta.endpoint_url.startswith("https://"):
        client.meta.config.s3 = {**(client.meta.config.s3 or {}), "payload_signing_enabled": False}


def part_bytes(parts_before: int) -> int:
    return PART_BYTES << parts_before // PARTS_BEFORE_GROWTH


class S3Upload:
    """An upload to S3.

    A file that fits into one part is sent in a single PUT. Larger files use a multipart upload with two parts
    in flight. `stored` is the number of bytes that S3 has acknowledged.
    """

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        self._s3 = s3
        self._target = {"Bucket": bucket, "Key": key}
        self._buffer: list[bytes] = []
        self._buffered_bytes = 0
        self._upload_id: str | None = None
        self._parts: list[Future[dict[str, Any]]] = []
        self._pool = ThreadPoolExecutor(PARTS_IN_FLIGHT, thread_name_prefix="upload")
        self._counting = Lock()
        self.stored = 0

    def write(self, data: bytes) -> None:
        self._buffer.append(data)
        self._buffered_bytes += len(data)
        if self._buffered_bytes >= part_bytes(len(self._parts)):
            self._send_part()

    def commit(self) -> None:
        """Publish the object.

        This fails if the key exists, so that attempts cannot overwrite each other.
        """
        if self._upload_id is None:
            kind, body = media_type_of(self._target["Key"]), self._next_body()
            self._s3.call_s3("put_object", **self._target, Body=body, ContentType=kind, IfNoneMatch="*")
            self._count(body)
        else:
            if self._buffer:
                self._send_part()
            self._s3.call_s3(
                "complete_multipart_upload",
                **self._target,
                UploadId=self._upload_id,
                MultipartUpload={"Parts": [part.result() for part in self._parts]},
                IfNoneMatch="*",
            )
        self._pool.shutdown()

    def abort(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        if self._upload_id is not None:
            self._s3.call_s3("abort_multipart_upload", **self._target, UploadId=self._upload_id)

    def _send_part(self) -> None:
        if self._upload_id is None:
            kind = media_type_of(self._target["Key"])
            created = self._s3.call_s3("create_multipart_upload", **self._target, ContentType=kind)
            self._upload_id = created["UploadId"]
        self._parts.append(self._pool.submit(self._put_part, len(self._parts) + 1, self._next_body()))
        if len(self._parts) > PARTS_IN_FLIGHT:  # This limits memory to a few parts.
            self._parts[-1 - PARTS_IN_FLIGHT].result()

    def _next_body(self) -> bytes:
        body = b"".join(self._buffer)
        self._buffer, self._buffered_bytes = [], 0
        return body

    def _put_part(self, number: int, body: bytes) -> dict[str, Any]:
        response = self._s3.call_s3(
            "upload_part", **self._target, UploadId=self._upload_id, PartNumber=number, Body=body
        )
        self._count(body)
        return {"PartNumber": number, "ETag": response["ETag"]}

    def _count(self, body: bytes) -> None:
        with self._counting:
            self.stored += len(body)
