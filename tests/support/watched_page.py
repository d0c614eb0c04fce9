"""A browser's page under watch: what it must never do is kept, and fails the test at its end."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

# The wheel's script; its own wrapper gives counts, where a test wants to say which element it is.
AXE = files("axe_playwright_python") / "axe.min.js"
Scheme = Literal["light", "dark"]
WIDTHS: tuple[int, ...] = (1440, 390)
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
FAILED_REQUEST = "Failed to load resource"
TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`));
"""


class Watched:
    """`failures_allowed`: requests may be refused, as a test that makes them fail wants it."""

    def __init__(self, context: BrowserContext, hosts: set[str]) -> None:
        self.page: Page = context.new_page()
        self.failures_allowed = False
        self.complaints: list[str] = []
        self._hosts = hosts
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if not (self.failures_allowed and message.text.startswith(FAILED_REQUEST)):
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc not in self._hosts:
            self.complaints.append(f"off-host: {request.url}")

    def axe_violations(self) -> list[str]:
        """Of the page as it stands, in every look: on a desk and on a phone, light and dark.

        Through the debugger, because the page's policy lets no script in."""
        before = self.page.viewport_size
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = [
            f"{scheme}, {width} wide: {each}"
            for width in WIDTHS
            for scheme in SCHEMES
            for each in self._violations_in(width, scheme)
        ]
        self.page.emulate_media(color_scheme=None)
        if before is not None:
            self.page.set_viewport_size(before)
        return found

    def _violations_in(self, width: int, scheme: Scheme) -> list[str]:
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(color_scheme=scheme)
        # One frame, no transition: colours that are still changing are no colours.
        self.page.evaluate(
            "Promise.all(document.getAnimations().map((each) => each.effect"
            ".getComputedTiming().iterations === Infinity || each.finished))"
        )
        found: dict[str, Any] = self.page.evaluate(
            "axe.run(document.querySelector('dialog[open]') ?? document, {resultTypes: ['violations']})"
        )
        return [
            f"{each['id']}: {node['target']} {node['failureSummary']}"
            for each in found["violations"]
            for node in each["nodes"]
        ]


@contextmanager
def watched(browser: Browser, base_url: str, hosts: set[str], **options: Any) -> Iterator[Watched]:
    options = {"viewport": {"width": 1440, "height": 900}, **options}
    context = browser.new_context(base_url=base_url, accept_downloads=True, **options)
    context.set_default_timeout(30_000)
    context.add_init_script(TELL_VIOLATIONS)
    try:
        found = Watched(context, hosts)
        yield found
        assert found.complaints == [], "\n".join(found.complaints)
    finally:
        context.close()
