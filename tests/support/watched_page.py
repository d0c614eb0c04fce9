"""Open a page in a browser and fail the test if the page logs errors or sends requests to other hosts."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

# The package's Python wrapper reports only the number of violations. The tests also report the elements, so
# they run the package's script directly.
AXE = files("axe_playwright_python") / "axe.min.js"
Scheme = Literal["light", "dark"]
WIDTHS: tuple[int, ...] = (1440, 390)
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
FAILED_REQUEST = "Failed to load resource"
LOG_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`));
"""


class Watched:
    """Watches a page and records its problems in `complaints`.

    If `failures_allowed` is true, failed requests are not recorded.
    """

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
        """Return the page's accessibility violations for each combination of WIDTHS and SCHEMES."""
        original_size = self.page.viewport_size
        # Unlike a script element, evaluated code is not subject to the page's content security policy.
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        violations = [
            f"{scheme}, {width} wide: {violation}"
            for width in WIDTHS
            for scheme in SCHEMES
            for violation in self._violations_in(width, scheme)
        ]
        self.page.emulate_media(color_scheme=None)
        if original_size is not None:
            self.page.set_viewport_size(original_size)
        return violations

    def _violations_in(self, width: int, scheme: Scheme) -> list[str]:
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(color_scheme=scheme)
        # Wait for transitions to end. Otherwise, axe would measure the contrast of intermediate colors.
        self.page.evaluate(
            "Promise.all(document.getAnimations().map((animation) => animation.effect"
            ".getComputedTiming().iterations === Infinity || animation.finished))"
        )
        results: dict[str, Any] = self.page.evaluate(
            "axe.run(document.querySelector('dialog[open]') ?? document, {resultTypes: ['violations']})"
        )
        return [
            f"{violation['id']}: {node['target']} {node['failureSummary']}"
            for violation in results["violations"]
            for node in violation["nodes"]
        ]


@contextmanager
def watched(browser: Browser, base_url: str, hosts: set[str], **options: Any) -> Iterator[Watched]:
    options = {"viewport": {"width": 1440, "height": 900}, **options}
    context = browser.new_context(base_url=base_url, accept_downloads=True, **options)
    context.set_default_timeout(30_000)
    context.add_init_script(LOG_VIOLATIONS)
    try:
        page = Watched(context, hosts)
        yield page
        assert page.complaints == [], "\n".join(page.complaints)
    finally:
        context.close()
