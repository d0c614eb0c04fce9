"""Parse the text of PostgreSQL's arrays, such as `{1,NULL,"a, b"}`."""

import re
from typing import Any

_TOKEN = re.compile(r'([{},])|"((?:[^"\\]|\\.)*)"|([^{},"]+)', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def parse_list(text: Any) -> list[Any]:
    """Parse an array into a list of strings, nested like the array. NULL becomes None.

    Raises ValueError for text in any other format, including an array whose first index is not 1.
    """
    if not isinstance(text, str) or not text.startswith("{"):
        raise ValueError("not an array")
    lists: list[list[Any]] = [[]]
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError("not an array")
        _add(lists, *token.groups())
        position = token.end()
    ((array,),) = lists
    return array  # type: ignore[no-any-return]


def _add(lists: list[list[Any]], mark: str | None, quoted: str | None, plain: str | None) -> None:
    """Add a token to the innermost open list."""
    if mark == "{":
        inner: list[Any] = []
        lists[-1].append(inner)
        lists.append(inner)
    elif mark == "}":
        lists.pop()
    elif quoted is not None:
        lists[-1].append(_ESCAPE.sub(r"\1", quoted))
    elif plain is not None:
        lists[-1].append(None if plain == "NULL" else _ESCAPE.sub(r"\1", plain))
