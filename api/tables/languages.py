"""Parse the client's preferred languages from the `Accept-Language` header."""

import re
from typing import Annotated

from fastapi import Depends, Request

from flows.rows.local_text import LANGUAGE

MAX_LANGUAGES = 20
_ITEM = re.compile(rf"\s*({LANGUAGE})\s*(?:;\s*q\s*=\s*([01](?:\.\d{{0,3}})?)\s*)?")
Languages = tuple[str, ...]


def parse_accept_language(header: str) -> Languages:
    """Return the language tags in order of preference. Malformed items and `*` are ignored."""
    items = [_ITEM.fullmatch(item) for item in header.split(",")[:MAX_LANGUAGES]]
    weighted = [(float(item[3] or 1), item[1]) for item in items if item is not None]
    ordered = sorted(weighted, key=lambda pair: -pair[0])
    return tuple(language for weight, language in ordered if weight > 0)


def get_languages(request: Request) -> Languages:
    return parse_accept_language(request.headers.get("accept-language", ""))


LanguagesDep = Annotated[Languages, Depends(get_languages)]
