import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from api.access.api_keys import Key, KeyFile, KeyFileUnusable
from api.access.caller import Caller
from flows import audit
from tests.support.clock import NOON

WRONG_PII = '{"keys": [{"id": "1", "caller": "a", "sha256": "", "createdAt": "", "pii": "false"}]}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_a_key_identifies_its_caller_and_their_reports(path: Path) -> None:
    keys = KeyFile(path)
    ada, bob = keys.create("ada", None, NOON), keys.create("bob", ["orders"], NOON)
    assert keys.caller_of(ada) == Caller("ada")
    assert keys.caller_of(bob) == Caller("bob", frozenset({"orders"}))


def test_a_key_grants_or_denies_personal_data(path: Path) -> None:
    keys = KeyFile(path)
    ada, bob = keys.create("ada", None, NOON), keys.create("bob", None, NOON, pii=False)
    assert keys.caller_of(ada) == Caller("ada", sees_pii=True)
    assert KeyFile(path).caller_of(bob) == Caller("bob", sees_pii=False)


def test_a_key_from_before_masking_sees_personal_data(path: Path) -> None:
    token = KeyFile(path).create("ada", None, NOON)
    older = json.loads(path.read_text())
    del older["keys"][0]["pii"]
    path.write_text(json.dumps(older))
    assert KeyFile(path).caller_of(token) == Caller("ada", sees_pii=True)


def test_the_file_holds_only_hashes_and_is_private(path: Path) -> None:
    token = KeyFile(path).create("ada", None, NOON)
    assert token not in path.read_text()
    assert token[13:] not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


def test_changes_by_another_process_are_read(path: Path) -> None:
    serving, writing = KeyFile(path), KeyFile(path)
    assert serving.keys() == {}
    token = writing.create("ada", None, NOON)
    assert serving.caller_of(token) == Caller("ada")
    assert writing.revoke(token[4:12])
    assert serving.caller_of(token) is None
    assert not writing.revoke(token[4:12])


@pytest.mark.parametrize(
    "change", [lambda key: key[:-1] + "!", lambda key: key[:-1], lambda key: key + "A", str.upper]
)
def test_an_altered_key_has_no_caller(path: Path, change: "type[str]") -> None:
    keys = KeyFile(path)
    assert keys.caller_of(change(keys.create("ada", None, NOON))) is None


@pytest.mark.parametrize("token", ["", "rex_", "rex_00000000_" + "A" * 43, "x" * 100_000, "rex_\n"])
def test_other_text_has_no_caller(path: Path, token: str) -> None:
    keys = KeyFile(path)
    keys.create("ada", None, NOON)
    assert keys.caller_of(token) is None


INVALID = ["", "[]", '{"keys": 7}', '{"keys": [{}]}', json.dumps({"keys": [7]}), WRONG_PII]


def test_no_key_can_be_created_for_the_local_caller(path: Path) -> None:
    with pytest.raises(ValueError, match="reserved"):
        KeyFile(path).create("local", None, NOON)


@pytest.mark.parametrize("content", INVALID)
def test_an_invalid_key_file_is_an_error(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(KeyFileUnusable):
        KeyFile(path).keys()


@pytest.mark.parametrize("content", INVALID)
def test_a_key_is_valid_while_the_file_is_torn(
    path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    serving = KeyFile(path)
    token = serving.create("ada", None, NOON)
    assert serving.caller_of(token) == Caller("ada")
    valid = path.read_text()
    path.write_text(content)
    for _ in range(3):
        assert serving.caller_of(token) == Caller("ada")
    assert serving.check() == "stale"
    # Ignore the audit log's records, because earlier tests may have changed its level.
    records = [record for record in caplog.records if record.name != audit.LOGGER]
    assert [record.levelname for record in records] == ["ERROR"]
    assert token[4:12] not in records[0].getMessage()
    path.write_text(valid.replace('"ada"', '"bob"'))
    assert serving.caller_of(token) == Caller("bob")
    assert serving.check() == "ok"


def test_a_torn_file_is_neither_used_at_the_start_nor_overwritten(path: Path) -> None:
    token = KeyFile(path).create("ada", None, NOON)
    torn = path.read_text()[:-20]
    path.write_text(torn)
    keys = KeyFile(path)
    assert keys.caller_of(token) is None
    assert keys.check() == "failed"
    with pytest.raises(KeyFileUnusable):
        keys.create("bob", None, NOON)
    with pytest.raises(KeyFileUnusable):
        keys.revoke(token[4:12])
    assert path.read_text() == torn


def test_a_deleted_file_revokes_all_keys(path: Path) -> None:
    keys = KeyFile(path)
    token = keys.create("ada", None, NOON)
    path.unlink()
    assert keys.caller_of(token) is None
    assert keys.check() == "ok"


class SlowKeyFile(KeyFile):
    """A key file that waits before writing. Without a lock, a second writer would overtake it."""

    def __init__(self, path: Path, overtaken: Event) -> None:
        super().__init__(path)
        self.overtaken, self.writing = overtaken, Event()

    def _write(self, keys: Sequence[Key]) -> None:
        self.writing.set()
        self.overtaken.wait(0.3)
        super()._write(keys)


def test_a_key_revoked_while_another_is_created_stays_revoked(path: Path) -> None:
    ada = KeyFile(path).create("ada", None, NOON)
    overtaken = Event()
    creating = SlowKeyFile(path, overtaken)
    with ThreadPoolExecutor(2) as pool:
        created = pool.submit(creating.create, "bob", None, NOON)
        assert creating.writing.wait(5)
        revoked = pool.submit(KeyFile(path).revoke, ada[4:12])
        revoked.add_done_callback(lambda _: overtaken.set())
        assert revoked.result()
        bob = created.result()
    assert KeyFile(path).caller_of(ada) is None
    assert KeyFile(path).caller_of(bob) == Caller("bob")
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["", "two words", "a\nb", "x" * 201, "ädä"])
def test_a_caller_name_has_no_spaces(path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII"):
        KeyFile(path).create(name, None, NOON)
    assert not os.path.exists(path)
