"""Fetch lists from the service page by page."""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from deployments.command_line.api_client import ApiClient, parse_json

DEFAULT_LIMIT, MAX_PAGE_SIZE, MAX_LIMIT = 20, 100, 10_000


def add_list_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--limit",
        type=_parse_limit,
        default=DEFAULT_LIMIT,
        metavar="N",
        help="maximum number of entries (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print all fields as a JSON array")


def fetch_items(
    client: ApiClient, path: str, query: Mapping[str, str], limit: int
) -> Iterator[Mapping[str, Any]]:
    cursor: dict[str, str] = {}
    while limit > 0:
        params = {**query, **cursor, "limit": str(min(limit, MAX_PAGE_SIZE))}
        page = parse_json(client.request("GET", path, params=params), "items", "nextCursor")
        yield from page["items"]
        limit -= len(page["items"])
        if page["nextCursor"] is None:  # in a filtered list, an empty page is not always the last one
            return
        cursor = {"cursor": page["nextCursor"]}


def _parse_limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 7 and 1 <= int(text) <= MAX_LIMIT):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MAX_LIMIT:,}.")
    return int(text)
