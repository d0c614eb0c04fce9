"""Test that a malicious web page in the operator's browser cannot attack the stack.

The tests open the page from another origin and from a host name that is rebound to 127.0.0.1. At commit
4f602ff, such a page could run shell commands. The Prefect server required no password and accepted requests
from all origins, and workers called any function that a deployment named. An image on the page could delete
all exports.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

from tests.support import flow_runs
from tests.support.export_client import SURVEY
from tests.support.running_stack import Stack
from tests.support.security_table import Tally
from tests.support.static_site import static_site
from tests.support.system_programs import require_program

PAGE = Path(__file__).with_name("attack.html")
EVIL, REBOUND = "evil.test", "rebound.test"
FLAGS = [
    "--headless",
    "--no-sandbox",
    f"--host-resolver-rules=MAP {EVIL} 127.0.0.1, MAP {REBOUND} 127.0.0.1",
    # Chromium blocks requests from public pages to local addresses, but other browsers do not. The service
    # must be safe without this protection.
    "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require_program("chromium"), args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Attack:
    """An attack on the stack. Every object that it tries to create has `marker` in its name."""

    stack: Stack
    storage_ports: list[int]
    marker: str
    proof: Path
    attempts: int = 0  # number of attempts in the last call to `run`

    def run(self, page: Page, host: str = "127.0.0.1", token: str | None = None) -> dict[str, str]:
        """Run all attempts from the page and return the evidence from those that succeeded."""
        target = {
            "prefect": self.stack.prefect_api_url.replace("127.0.0.1", host),
            "api": self.stack.api_url.replace("127.0.0.1", host),
            "storage": [f"http://{host}:{port}" for port in self.storage_ports],
            "token": token,
            "flow": self.marker,
            "command": f"touch {self.proof}",
            "exportRequest": json.dumps(self.export_request),
        }
        blind, results = page.evaluate("target => attack(target)", target)
        assert len(results) > 20
        self.attempts = blind + len(results)
        return {name: evidence for name, evidence in results.items() if evidence}

    @property
    def export_request(self) -> dict[str, str]:
        """Return a request that no other test sends."""
        return {
            "surveyId": SURVEY,
            "from": "2024-02-29",
            "to": f"2024-03-{int(self.marker[-2:], 16) % 28 + 1:02}",
        }

    def assert_no_effect(self, prefect: httpx.Client) -> None:
        assert not self.proof.exists()
        created = prefect.post("/flows/filter", json={"flows": {"name": {"like_": self.marker}}})
        assert created.raise_for_status().json() == []
        tagged = {"flow_runs": {"name": {"like_": "survey-responses"}}, "limit": 200}
        runs = prefect.post("/flow_runs/filter", json=tagged).raise_for_status().json()
        assert self.export_request not in [run["parameters"].get("request") for run in runs]


@pytest.fixture
def attack(stack: Stack, storage_ports: list[int], tmp_path: Path) -> Attack:
    return Attack(stack, storage_ports, f"attack-{secrets.token_hex(8)}", tmp_path / "proof")


@contextmanager
def page_on(chromium: Browser, origin: str) -> Iterator[Page]:
    """Open the attacker's page as if the origin's host name still pointed to the attacker's server."""
    context = chromium.new_context()
    page = context.new_page()

    def serve(route: Route) -> None:
        route.fulfill(body=PAGE.read_bytes(), content_type="text/html")

    page.route(f"{origin}/attack.html", serve)
    page.goto(f"{origin}/attack.html")
    yield page
    context.close()


def test_a_page_on_another_origin_obtains_and_changes_nothing(
    chromium: Browser, attack: Attack, prefect: httpx.Client, stored_object: str, tally: Tally
) -> None:
    with static_site(PAGE.parent) as port:
        page = chromium.new_page()
        page.goto(f"http://{EVIL}:{port}/{PAGE.name}")
        assert attack.run(page) == {}
        tally.add(attack.attempts)
        page.close()
    attack.assert_no_effect(prefect)


@pytest.mark.parametrize("target", ["prefect", "storage", "api"])
def test_a_page_on_a_rebound_name_obtains_and_changes_nothing(
    chromium: Browser, attack: Attack, prefect: httpx.Client, stored_object: str, target: str, tally: Tally
) -> None:
    """To the browser, the page and the service have the same origin, so the page can read all responses."""
    ports = json.loads((attack.stack.data_dir / "ports.json").read_text())
    for port in [port for role, port in ports.items() if role.startswith(target)]:
        with page_on(chromium, f"http://{REBOUND}:{port}") as page:
            assert attack.run(page, REBOUND) == {}
            tally.add(attack.attempts)
    attack.assert_no_effect(prefect)


def test_the_same_page_succeeds_with_the_password_but_the_worker_refuses_its_command(
    chromium: Browser, attack: Attack, prefect: httpx.Client
) -> None:
    """Control for the tests above: the attempts are well-formed and succeed with the password."""
    origin = attack.stack.prefect_api_url.removesuffix("/api")
    with page_on(chromium, origin) as page:
        evidence = attack.run(page, token=attack.stack.prefect_api_auth_string)
    assert {name for name in evidence if " at " not in name} == {
        *("run a shell command", "read artifacts", "read flow runs", "read the server's settings"),
        *("watch events", "send events", "watch logs", "join as a worker"),
    }
    (run,) = flow_runs.wait_until_finished(prefect, evidence["run a shell command"])
    assert run["state_type"] == "FAILED"
    assert "does not run the entrypoint 'subprocess.getoutput'" in run["state"]["message"]
    assert not attack.proof.exists()
