"""Take the screenshots in docs/.

Usage: `python docs/screenshots.py [API URL]`. The script needs Chromium and a running stack. The stack needs
enough sample data to keep an export running for a while: `make up ARGS="--sample-responses 1000000"`.
"""

import io
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, Route, sync_playwright

HERE = Path(__file__).parent
SAMPLE = "/?surveyId=668b6fa3b8d693cd865b44bb&from=2024-07-08&to=2025-07-07&pageSize=10"
FLAGS = [
    "--lang=en-GB",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
]
DESK, PHONE = {"width": 1440, "height": 810}, {"width": 390, "height": 844}


def exporting(page: Page) -> None:
    """Start an export and wait until its progress bar is partly full.

    Responses with a final status are withheld from the page, so that it shows the export as still running.
    """
    page.route(re.compile(r"/exports/[0-9a-f-]{36}$"), until_final)
    page.locator("#export").click()
    page.get_by_text(re.compile(r"Exporting [2-9]\d% · ")).wait_for()


def until_final(route: Route) -> None:
    response = route.fetch()
    if response.json()["status"] in ("queued", "running"):
        route.fulfill(response=response)


def options(page: Page) -> None:
    page.get_by_role("button", name="Export options").click()
    page.locator(".preview pre").wait_for()


def schedule(page: Page) -> None:
    page.get_by_label("Attended", exact=True).select_option("Yes")
    page.locator("table[aria-busy=false]").wait_for()
    options(page)
    page.get_by_role("button", name="Schedule…", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Time zone").fill("Europe/Madrid")
    dialog.locator(".next li").nth(2).wait_for()


def nothing(page: Page) -> None:
    page.locator("tbody tr").first.wait_for()


PICTURES: dict[str, tuple[Callable[[Page], None], dict[str, int]]] = {
    "page-options": (options, DESK),
    "page-phone": (nothing, PHONE),
    "page-schedule": (schedule, DESK),
    "page-exporting": (exporting, DESK),
}


def shoot(browser: Browser, base_url: str, name: str) -> None:
    act, viewport = PICTURES[name]
    context = browser.new_context(base_url=base_url, viewport=viewport, color_scheme="light", locale="en-GB")
    context.set_default_timeout(90_000)
    page = context.new_page()
    page.goto(SAMPLE)
    nothing(page)
    act(page)
    page.wait_for_timeout(400)  # Wait until CSS transitions have finished.
    save(page.screenshot(), HERE / f"{name}.png")
    page.unroute_all(behavior="ignoreErrors")
    context.close()


def save(png: bytes, path: Path) -> None:
    """Save a screenshot with at most 256 colors, which makes the file a third as large."""
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256).save(path, optimize=True)


if __name__ == "__main__":
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name in PICTURES:
            shoot(browser, url, name)
        browser.close()
