"""A list of the service's, page by page, up to a limit."""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from deployments.command_line.api_client import Service, json_of

DEFAULT_LIMIT, LARGEST_PAGE, MOST = 20, 100, 10_000


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--limit", type=_limit, default=DEFAULT_LIMIT, metavar="N", help="at most so many (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="everything that is known, as a JSON array")


def items(service: Service, path: str, chosen: Mapping[str, str], limit: int) -> Iterator[Mapping[str, Any]]:
    cursor: dict[str, str] = {}
    while limit > 0:
        params = {**chosen, **cursor, "limit": str(min(limit, LARGEST_PAGE))}
        page = json_of(service.ask("GET", path, params=params), "items", "nextCursor")
        yield from page["items"]
        limit -= len(page["items"])
        if page["nextCursor"] is None or not page["items"]:
            return
        cursor = {"cursor": page["nextCursor"]}


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 7 and 1 <= int(text) <= MOST):
        raise argparse.ArgumentTypeError(f"{text!r}: it is a number from 1 to {MOST:,}.")
    return int(text)
