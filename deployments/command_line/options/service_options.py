"""Where the service is, and for how long it may be silent: options of every command that asks it."""

import argparse
import os

import httpx

API_URL, DEFAULT_TIMEOUT_SECONDS = "http://127.0.0.1:8000", 60.0
MOST_SECONDS = 86_400


def add_service_options(parser: argparse.ArgumentParser) -> list[str]:
    """Their names."""
    api = parser.add_argument(
        "--api",
        type=_address,
        default=os.environ.get("REPORTS_API_URL") or API_URL,
        metavar="URL",
        help=f"of the service (REPORTS_API_URL, else {API_URL}); a key for it stands in REPORTS_API_KEY",
    )
    timeout = parser.add_argument(
        "--timeout",
        type=_seconds,
        default=DEFAULT_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="for how long a service that cannot be reached is asked again (%(default)g)",
    )
    return [*api.option_strings, *timeout.option_strings]


def _address(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        # The text itself is not repeated: it may hold a password.
        raise argparse.ArgumentTypeError(f"it must be an http or https address, such as {API_URL}.")
    return url


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds.")
    return seconds


def api_key() -> str | None:
    return os.environ.get("REPORTS_API_KEY") or None
