"""Convert JSON documents between text and the Python values that a report's `transform` receives.

A document that the transform does not change is written exactly as stored, because decoding would lose
duplicate keys, number formatting and whitespace.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

# Not every library can read or write deeper documents.
MAX_DEPTH = 100
READ_JSON = json.JSONDecoder(parse_float=Decimal).decode  # Decimals keep every digit.


def decode(texts: Sequence[str | None]) -> list[Any]:
    """Decode each document.

    A document that Python cannot decode, for example because it is nested too deeply, is returned as text.
    """
    return [None if text is None else _decode(text) for text in texts]


def encode(documents: Sequence[Any], stored: Sequence[str | None]) -> list[str | None]:
    """Return each document as JSON text.

    Documents that the transform did not change keep their stored text.
    """
    return [_encode(document, text) for document, text in zip(documents, stored, strict=True)]


def checked_depth(document: Any, left: int = MAX_DEPTH) -> Any:
    """Return the document, or raise ValueError if it is nested too deeply."""
    if not left:
        raise ValueError("the document is too deep")
    if isinstance(document, dict | list):
        for inner in document.values() if isinstance(document, dict) else document:
            checked_depth(inner, left - 1)
    return document


def json_text(value: Any) -> str:
    """Return JSON text in the format that PostgreSQL uses for `jsonb`.

    Keys are sorted by length, then by bytes. Commas and colons are followed by a space.
    """
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        inner = (f"{json.dumps(key, ensure_ascii=False)}: {json_text(value[key])}" for key in keys)
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(json_text, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return "null" if value is None else _scalar_text(value)


def decimal_text(value: Decimal) -> str:
    return format(value or abs(value), "f")  # PostgreSQL has no negative zero.


def _scalar_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | Decimal):
        return decimal_text(Decimal(repr(value)) if isinstance(value, float) else value)
    return str(value)


def _decode(text: str) -> Any:
    with suppress(ValueError, RecursionError):
        return checked_depth(READ_JSON(text))
    return text


def _encode(document: Any, stored: str | None) -> str | None:
    if document is None:
        return None
    if stored is None:
        return json_text(document)
    if document == stored:  # The document could not be decoded.
        return stored
    text = json_text(document)
    return stored if text == json_text(_decode(stored)) else text
