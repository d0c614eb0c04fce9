"""Provide S3 targets for benchmarks. Each turn uses a new bucket."""

import csv
import gzip
import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import botocore.session
import openpyxl
from pyarrow import parquet

from benchmarks.measured_process import end_group

WEED, SINK = "weed mini", "discarding sink"


@dataclass(frozen=True)
class Target:
    name: str
    environment: Mapping[str, str]
    s3: Any

    @contextmanager
    def bucket(self, name: str) -> Iterator[str]:
        self.s3.create_bucket(Bucket=name)
        try:
            # The first upload to a bucket is slow, because it makes SeaweedFS create volumes for the bucket.
            self.s3.put_object(Bucket=name, Key="first", Body=b"first")
            self.s3.delete_object(Bucket=name, Key="first")
            yield name
        finally:
            for stored in self.objects(name):
                self.s3.delete_object(Bucket=name, Key=stored["Key"])
            self.s3.delete_bucket(Bucket=name)

    def objects(self, bucket: str) -> list[dict[str, Any]]:
        return list(self.s3.list_objects_v2(Bucket=bucket).get("Contents", []))

    def count_records(self, bucket: str) -> int:
        """Return the number of records in the bucket's only object, not counting the header."""
        (stored,) = self.objects(bucket)
        data = self.s3.get_object(Bucket=bucket, Key=stored["Key"])["Body"].read()
        return _count_records(data)


def _count_records(data: bytes) -> int:
    if data.startswith(b"PAR1"):
        return int(parquet.read_metadata(io.BytesIO(data)).num_rows)
    unpacked = _unpack(data)
    if data.startswith(b"PK") and b"<worksheet" in unpacked:
        sheets = [sheet.iter_rows() for sheet in openpyxl.load_workbook(io.BytesIO(data), read_only=True)]
        return sum(1 for _ in sheets[0]) - 1
    if unpacked.startswith(b"{"):
        return unpacked.count(b"\n")
    text = io.TextIOWrapper(io.BytesIO(unpacked), encoding="utf-8", newline="")
    return sum(1 for _ in csv.reader(text)) - 1


def _unpack(data: bytes) -> bytes:
    if data.startswith(b"\x1f\x8b"):
        return gzip.decompress(data)
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return b"".join(map(archive.read, archive.namelist()))
    return data


def open_target(name: str, endpoint: str, aws: Mapping[str, str]) -> Target:
    environment = {**aws, "AWS_ENDPOINT_URL": endpoint}
    s3 = botocore.session.Session().create_client(
        "s3",
        region_name=aws["AWS_DEFAULT_REGION"],
        endpoint_url=endpoint,
        aws_access_key_id=aws["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=aws["AWS_SECRET_ACCESS_KEY"],
    )
    return Target(name, environment, s3)


@contextmanager
def discarding_sink() -> Iterator[str]:
    """Start the discarding sink and yield its URL."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "benchmarks.discarding_sink"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - stdout is a pipe
        yield process.stdout.readline().decode().strip()
    finally:
        end_group(process)
