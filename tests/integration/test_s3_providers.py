"""Test uploads to S3 servers with the restrictions of Cloudflare R2 or Alibaba OSS."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from deployments.roles.settings import load_settings
from deployments.stack.environment import Replaced
from deployments.stack.preflight import find_problems
from flows.errors import StorageCorrupted, StorageDenied, StorageRejected, StorageUnavailable
from flows.storage.protocol import upload
from flows.storage.s3 import PART_BYTES, S3Storage
from tests.support.s3_provider import BUCKET, Provider, running

KEY = "exports/1.csv"


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> Iterator[ExitStack]:
    credentials = {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "DEFAULT_REGION": "auto"}
    for name, value in credentials.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with ExitStack() as stack:
        yield stack


def storage_on(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch, provider: Provider, bucket: str = BUCKET
) -> S3Storage:
    stack.enter_context(running(provider))
    monkeypatch.setenv("AWS_ENDPOINT_URL", provider.url)
    return S3Storage(bucket, "")


def store(storage: S3Storage, content: bytes, key: str = KEY, step: int = 700_001) -> None:
    with upload(storage, key) as started:
        for start in range(0, len(content), step):
            started.write(content[start : start + step])
        started.commit()


@pytest.mark.parametrize("size", [3 * PART_BYTES + 12_345, 2 * PART_BYTES, PART_BYTES, 5])
def test_all_parts_but_the_last_have_one_size(
    providers: ExitStack, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    provider = Provider(equal_parts=True)
    content = bytes(range(251)) * (size // 251 + 1)
    store(storage_on(providers, monkeypatch, provider), content[:size])
    assert provider.objects[KEY] == content[:size]


@pytest.mark.parametrize("size", [5, 2 * PART_BYTES + 5])
def test_without_if_none_match_a_key_is_looked_up_first(
    providers: ExitStack, monkeypatch: pytest.MonkeyPatch, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    provider = Provider(conditions=False)
    storage = storage_on(providers, monkeypatch, provider)
    store(storage, b"x" * size)
    store(storage, b"y", "exports/2.csv")
    assert provider.objects == {KEY: b"x" * size, "exports/2.csv": b"y"}
    assert provider.conditional_requests == 1
    assert "does not support If-None-Match" in caplog.text
    with pytest.raises(StorageUnavailable):
        store(storage, b"other")
    assert provider.objects[KEY] == b"x" * size


def test_with_if_none_match_an_existing_file_is_never_replaced(
    providers: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider()
    storage = storage_on(providers, monkeypatch, provider)
    store(storage, b"first")
    with pytest.raises(StorageUnavailable):
        store(storage, b"second")
    assert provider.objects[KEY] == b"first"


@pytest.mark.parametrize("size", [5, 2 * PART_BYTES + 5])
@pytest.mark.parametrize("checks_md5", [True, False], ids=["rejected", "stored"])
def test_a_damaged_file_is_discarded(
    providers: ExitStack, monkeypatch: pytest.MonkeyPatch, size: int, checks_md5: bool
) -> None:
    provider = Provider(damages=True, checks_md5=checks_md5)
    with pytest.raises(StorageCorrupted):
        store(storage_on(providers, monkeypatch, provider), b"x" * size)
    assert provider.objects == provider.uploads == {}


@pytest.mark.parametrize(
    "encryption",
    [
        {"x-amz-server-side-encryption": "aws:kms"},
        {"x-amz-server-side-encryption-customer-algorithm": "AES256"},
        {"x-goog-encryption-kms-key-name": "projects/p/cryptoKeys/k"},
    ],
    ids=["SSE-KMS", "SSE-C", "CMEK"],
)
def test_etags_of_encrypted_objects_are_not_compared(
    providers: ExitStack, monkeypatch: pytest.MonkeyPatch, encryption: dict[str, str]
) -> None:
    provider = Provider(encryption=encryption, checks_md5=True)
    store(storage_on(providers, monkeypatch, provider), b"x" * 100)
    assert provider.objects[KEY] == b"x" * 100


def test_etags_with_a_key_of_the_storage_are_compared(
    providers: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider(encryption={"x-amz-server-side-encryption": "AES256"})
    with pytest.raises(StorageCorrupted):  # Unlike Amazon S3, this server does not use MD5s as ETags.
        store(storage_on(providers, monkeypatch, provider), b"x" * 100)
    assert provider.objects == {}


def test_a_rejection_is_final_and_has_the_code_of_the_storage(
    providers: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = storage_on(providers, monkeypatch, Provider(), bucket="other")
    with pytest.raises(StorageRejected, match=r"^The file storage rejected the request: NoSuchBucket\.$"):
        store(storage, b"x")


def test_missing_credentials_are_reported(providers: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = storage_on(providers, monkeypatch, Provider())
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(StorageDenied, match="no credentials"):
        store(storage, b"x")


def test_a_write_check_leaves_nothing_behind(providers: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = Provider()
    storage_on(providers, monkeypatch, provider).check_writing()
    assert provider.objects == {}


def test_a_read_only_key_fails_the_write_check_only(
    providers: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = storage_on(providers, monkeypatch, Provider(read_only=True))
    storage.check()
    with pytest.raises(PermissionError):
        storage.check_writing()


@pytest.mark.parametrize(
    ("provider", "bucket", "reason"),
    [
        (
            Provider(),
            "no-such-bucket",
            "An error occurred (NoSuchBucket) when calling the PutObject operation",
        ),
        (Provider(read_only=True), BUCKET, "An error occurred (AccessDenied) when calling the PutObject"),
    ],
)
def test_an_unusable_bucket_is_explained_before_the_start(
    providers: ExitStack, monkeypatch: pytest.MonkeyPatch, provider: Provider, bucket: str, reason: str
) -> None:
    providers.enter_context(running(provider))
    monkeypatch.setenv("AWS_ENDPOINT_URL", provider.url)
    settings = {"REPORTS_STORAGE_URL": f"s3://{bucket}/exports"}
    [problem] = find_problems(load_settings(settings), Replaced.from_environment(settings))
    assert problem.startswith(f"The storage in REPORTS_STORAGE_URL cannot be used: {reason}")
