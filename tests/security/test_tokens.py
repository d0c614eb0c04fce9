"""Use the running stack to test that a token gives access only to its user's rows and exports."""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.access.api_keys import KeyFile
from tests.support.caller_model import comparable, send
from tests.support.export_client import EMPTY_SURVEY, ONE_ROW_SURVEY, Session, follow

REQUEST: dict[str, Any] = {"surveyId": ONE_ROW_SURVEY, "from": "2024-09-24", "to": "2024-09-24"}
OTHER: dict[str, Any] = {"surveyId": EMPTY_SURVEY, "from": "2025-1-1", "to": "2025-1-2"}
SCHEDULE: dict[str, Any] = {
    "name": "Yearly",
    "recurrence": {"cron": "0 0 29 2 *"},
    "range": {"kind": "absolute", "from": "2024-09-24", "to": "2024-09-24"},
    "export": {"surveyId": ONE_ROW_SURVEY},
}
READ = ["/exports", "/schedules", "/limits", "/report-types", "/webhook-secret"]


class Product:
    """A product that creates tokens for its users. Its two API keys belong to the same caller."""

    def __init__(self, url: str, keys: Path) -> None:
        self.url, self.file, self.caller = url, KeyFile(keys), f"shop-{secrets.token_hex(6)}"
        self.keys = [self.file.create(self.caller, None, datetime.now(UTC)) for _ in range(2)]
        self.clients = ExitStack()

    def client(self, credential: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {credential}"}
        client = httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)
        return self.clients.enter_context(client)

    def user(self, name: str, key: int = 0, **rights: Any) -> httpx.Client:
        body = {"caller": name, "minutes": 5, **rights}
        answer = self.client(self.keys[key]).post("/tokens", json=body)
        assert answer.status_code == 201, answer.text
        assert answer.json()["caller"] == f"{self.caller}/{name}"
        return self.client(answer.json()["token"])


@pytest.fixture
def product(guarded_url: str, guarded_keys: Path) -> Iterator[Product]:
    """Yield a product, and close its connections after the test."""
    product = Product(guarded_url, guarded_keys)
    with product.clients:
        yield product


def started(client: httpx.Client, path: str, body: Any = None) -> str:
    response = send(client, "POST", path, json=body)
    assert response.is_success, response.text
    return str(response.json()["id"])


def test_a_user_exports_only_their_rows(product: Product) -> None:
    user = product.user("ada", reports=["survey-responses"], allow={"surveyId": [ONE_ROW_SURVEY]})
    export_id = started(user, "/exports", REQUEST)
    follow(user, Session(export_id))
    state = user.get(f"/exports/{export_id}").raise_for_status().json()
    content = httpx.get(state["file"]["url"], trust_env=False).raise_for_status().content
    assert (state["file"]["rows"], state["file"]["sha256"]) == (1, hashlib.sha256(content).hexdigest())
    assert user.get(f"/exports/{export_id}/download").status_code == 303
    assert [user.get(path).status_code for path in READ] == [200] * len(READ)
    assert [item["name"] for item in user.get("/report-types").json()["items"]] == ["survey-responses"]
    for path, body in (("/exports", OTHER), ("/reports/csv", OTHER), ("/exports", {"report": "orders"})):
        assert send(user, "POST", path, json=body).status_code == 422
    schedule_id = started(user, "/schedules", SCHEDULE)
    run_id = started(user, f"/schedules/{schedule_id}/run")
    follow(user, Session(run_id))
    assert user.get(f"/exports/{run_id}").json()["status"] == "done"
    assert user.delete(f"/schedules/{schedule_id}").status_code == 204


def test_users_keys_and_later_tokens_see_exports_by_the_name_of_the_user(product: Product) -> None:
    ada, bob, later = product.user("ada"), product.user("bob"), product.user("ada", key=1)
    back_ends = [product.client(key) for key in product.keys]
    export_id, own_id = started(ada, "/exports", REQUEST), started(back_ends[0], "/exports", OTHER)
    assert later.get(f"/exports/{export_id}").status_code == 200
    unknown = comparable(bob.get(f"/exports/{secrets.token_hex(4)}-0000-4000-8000-{secrets.token_hex(6)}"))
    for stranger in (bob, *back_ends):
        assert comparable(stranger.get(f"/exports/{export_id}")) == unknown
        assert export_id not in [item["id"] for item in stranger.get("/exports").json()["items"]]
    assert comparable(ada.get(f"/exports/{own_id}")) == unknown
    assert ada.get("/webhook-secret").json() != back_ends[0].get("/webhook-secret").json()
    follow(ada, Session(export_id))


def test_a_revoked_key_ends_its_tokens_but_not_those_of_the_other_key(product: Product) -> None:
    first, second = product.user("ada", key=0), product.user("ada", key=1)
    product.file.revoke(product.keys[0][4:12])
    assert [user.get("/exports").status_code for user in (first, second)] == [401, 200]
