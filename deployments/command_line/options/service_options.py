"""Define the options that all client commands share.

They set the address of the service and the retry timeout.
"""

import argparse
import os

import httpx

API_URL, DEFAULT_TIMEOUT_SECONDS = "http://127.0.0.1:8000", 60.0
MAX_TIMEOUT_SECONDS = 86_400


def add_service_options(parser: argparse.ArgumentParser) -> list[str]:
    """Add the options to the parser and return their names."""
    api = parser.add_argument(
        "--api",
        type=_parse_url,
        default=os.environ.get("REPORTS_API_URL") or API_URL,
        metavar="URL",
        help=f"address of the service (default: REPORTS_API_URL or {API_URL});"
        " set REPORTS_API_KEY if it requires an API key",
    )
    timeout = parser.add_argument(
        "--timeout",
        type=_parse_timeout,
        default=DEFAULT_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="how long to retry while the service cannot be reached (default: %(default)g)",
    )
    return [*api.option_strings, *timeout.option_strings]


def _parse_url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        # The value may contain a password, so the message does not include it.
        raise argparse.ArgumentTypeError(f"not an http or https URL, such as {API_URL}.")
    return url


def _parse_timeout(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_TIMEOUT_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of seconds from 0 to {MAX_TIMEOUT_SECONDS:,}."
        )
    return seconds


def read_api_key() -> str | None:
    return os.environ.get("REPORTS_API_KEY") or None
