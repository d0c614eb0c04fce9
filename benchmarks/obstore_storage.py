"""S3 storage that uploads with obstore instead of s3fs, for comparison."""

from typing import Any

import obstore
from obstore.store import S3Store

from flows.formats.registry import media_type_of
from flows.storage.s3 import PART_BYTES, PARTS_IN_FLIGHT, S3Storage


class ObstoreStorage(S3Storage):
    def __init__(self, bucket: str) -> None:
        super().__init__(bucket, "")
        self._store = S3Store(bucket, client_options={"allow_http": True})

    def begin_upload(self, key: str) -> Any:
        return ObstoreUpload(self._store, key)


class ObstoreUpload:
    """An upload that is not protected against concurrent writers.

    Protection would require the If-None-Match header, which obstore cannot send.
    """

    def __init__(self, store: S3Store, key: str) -> None:
        self.stored = 0
        self._writer = obstore.open_writer(
            store,
            key,
            buffer_size=PART_BYTES,
            max_concurrency=PARTS_IN_FLIGHT,
            attributes={"Content-Type": media_type_of(key)},
        )

    def expect(self, estimated_bytes: int) -> None:
        """Do nothing, because obstore chooses the part sizes."""

    def write(self, data: bytes) -> None:
        self._writer.write(data)
        self.stored += len(data)  # obstore does not report how many bytes were acknowledged

    def commit(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        """Do nothing, because the object does not exist before `commit`."""
