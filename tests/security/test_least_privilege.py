"""Test that the accounts in deployments/policies have exactly the permissions that the service needs."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError
from psycopg.errors import InsufficientPrivilege, ReadOnlySqlTransaction
from sqlalchemy import Column, Integer, MetaData, Table, Text, select

from deployments.stack.parts.object_storage import BUCKET
from flows.query.report import Report
from flows.query.request import parse_request
from flows.sources.snapshot import open_engine
from flows.storage.s3 import PART_BYTES, S3Storage
from tests.support import postgres, s3_server
from tests.support.engines import file_by_copy, file_by_copy_chunks, with_transform

POLICIES = Path(__file__).parents[2] / "deployments/policies"
OTHER_BUCKET = "payroll"
JOB_ID = "899e1228-d7b8-40fc-8490-70e6f1efb338"

items = Table("items", MetaData(), Column("id", Integer, primary_key=True), Column("name", Text))
REPORT = Report(name="items", title="Items", select=select(items.c.id, items.c.name), key=items.c.id)


@pytest.fixture(scope="module")
def reader_url() -> Iterator[str]:
    """Create a database with a table, run database-reader.sql, and yield a URL for the new role."""
    with postgres.running() as url, psycopg.connect(url, autocommit=True) as owner:
        owner.execute("CREATE TABLE items (id int PRIMARY KEY, name text); INSERT INTO items VALUES (1, 'a')")
        owner.execute((POLICIES / "database-reader.sql").read_bytes())
        owner.execute("ALTER ROLE report_reader PASSWORD 'secret'")
        owner.execute("CREATE TABLE later AS SELECT 2 AS n")
        owner.execute("CREATE SCHEMA private; CREATE TABLE private.salaries (n int)")
        address = url.rpartition("@")[2]
        yield f"postgresql://report_reader:secret@{address}"


@pytest.fixture
def reader(reader_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(reader_url, autocommit=True) as connection:
        yield connection


def test_the_database_role_can_export(reader_url: str) -> None:
    engine = open_engine(reader_url, connect_seconds=5)
    request = parse_request({"report": "items"}, {"items": REPORT})
    assert file_by_copy(engine, request).split() == [b"Id,Name", b"1,a"]
    assert file_by_copy_chunks(engine, with_transform(request)).split() == [b"Id,Name", b"1,a"]
    engine.dispose()


def test_the_database_role_reads_tables_that_are_created_later(reader: psycopg.Connection) -> None:
    assert reader.execute("SELECT n FROM later").fetchone() == (2,)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO items VALUES (2, 'b')",
        "UPDATE items SET name = ''",
        "DELETE FROM items",
        "TRUNCATE items",
        "CREATE TABLE other (n int)",
        "CREATE TEMPORARY TABLE other (n int)",
        "DROP TABLE items",
        "SELECT * FROM private.salaries",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY items TO PROGRAM 'true'",
        "CREATE ROLE other",
        "CREATE DATABASE other",
    ],
)
def test_the_database_role_can_do_nothing_else(reader: psycopg.Connection, statement: str) -> None:
    with pytest.raises((InsufficientPrivilege, ReadOnlySqlTransaction)):
        reader.execute(statement.encode())
    reader.execute("SET default_transaction_read_only = off")
    with pytest.raises(InsufficientPrivilege):
        reader.execute(statement.encode())


@pytest.fixture(scope="module")
def administrator() -> Iterator[s3_server.S3Server]:
    with s3_server.running() as server:
        client = server.client("s3")
        client.create_bucket(Bucket=OTHER_BUCKET)
        client.put_object(Bucket=OTHER_BUCKET, Key="file", Body=b"x")
        client.close()
        yield server


@pytest.fixture(scope="module")
def account(administrator: s3_server.S3Server) -> s3_server.S3Server:
    """Create an account that has only the permissions in bucket-access.json."""
    iam = administrator.client("iam")
    iam.create_user(UserName="exports")
    policy = (POLICIES / "bucket-access.json").read_text()
    assert f"arn:aws:s3:::{BUCKET}" in policy
    arn = iam.create_policy(PolicyName="exports", PolicyDocument=policy)["Policy"]["Arn"]
    iam.attach_user_policy(UserName="exports", PolicyArn=arn)
    key = iam.create_access_key(UserName="exports")["AccessKey"]
    iam.close()
    server = s3_server.S3Server(administrator.endpoint, key["AccessKeyId"], key["SecretAccessKey"])
    wait_for_account(server)
    return server


def wait_for_account(server: s3_server.S3Server) -> None:
    """Wait until the S3 server has applied the new account and its policy."""
    client, deadline = server.client("s3"), time.monotonic() + 20
    while True:
        try:
            client.head_bucket(Bucket=BUCKET)
            break
        except ClientError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    client.close()


@pytest.fixture
def storage(account: s3_server.S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Storage:
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", account.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", account.secret_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return S3Storage(BUCKET, "")


@pytest.mark.parametrize("size", [10, PART_BYTES + 10])
def test_the_storage_account_can_store_sign_list_and_remove(storage: S3Storage, size: int) -> None:
    key = f"{JOB_ID}/1.csv"
    storage.check()
    upload = storage.begin_upload(key)
    upload.write(b"x" * size)
    upload.commit()
    assert storage.link_size(storage.sign(key, "attachment", 900, datetime.now(UTC))) == size
    assert [item.key for item in storage.list_objects()] == [key]
    storage.remove(key)
    assert [*storage.list_objects()] == []


def test_the_storage_account_can_abort_uploads(storage: S3Storage) -> None:
    upload = storage.begin_upload(f"{JOB_ID}/2.csv")
    upload.write(b"x" * (PART_BYTES + 10))
    assert [item.key for item in storage.list_unfinished()] == [f"{JOB_ID}/2.csv"]
    upload.abort()
    assert [*storage.list_unfinished()] == []


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("get_object", {"Bucket": OTHER_BUCKET, "Key": "file"}),
        ("put_object", {"Bucket": OTHER_BUCKET, "Key": "file", "Body": b""}),
        ("delete_object", {"Bucket": OTHER_BUCKET, "Key": "file"}),
        ("list_objects_v2", {"Bucket": OTHER_BUCKET}),
        ("create_bucket", {"Bucket": "new"}),
        ("delete_bucket", {"Bucket": BUCKET}),
        ("put_bucket_policy", {"Bucket": BUCKET, "Policy": "{}"}),
        ("put_bucket_acl", {"Bucket": BUCKET, "ACL": "public-read"}),
        ("put_object_acl", {"Bucket": BUCKET, "Key": "x", "ACL": "public-read"}),
        ("put_bucket_lifecycle_configuration", {"Bucket": BUCKET, "LifecycleConfiguration": {"Rules": []}}),
    ],
)
def test_the_storage_account_can_do_nothing_else(
    account: s3_server.S3Server, method: str, arguments: dict[str, Any]
) -> None:
    client = account.client("s3")
    with pytest.raises(ClientError) as error:
        getattr(client, method)(**arguments)
    client.close()
    assert error.value.response["Error"]["Code"] == "AccessDenied"


def test_the_lifecycle_is_valid(administrator: s3_server.S3Server) -> None:
    lifecycle = json.loads((POLICIES / "bucket-lifecycle.json").read_text())
    client = administrator.client("s3")
    client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration=lifecycle)
    (rule,) = client.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    client.close()
    assert rule["Expiration"] == {"Days": 30}
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 2}
