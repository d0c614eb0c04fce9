"""Read the API key file. The API uses it to authenticate callers, and runs use it to recheck rights.

The file contains a JSON object in this format:

    {"keys": [{"id", "caller", "sha256", "createdAt", "reports": [...] or null, "pii": true,
               "allow": {claim: [...]} or null}]}
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.query.row_rights import Claims


class KeyFileUnusable(Exception):
    """The key file exists but is not valid."""


@dataclass(frozen=True)
class Key:
    """A stored key.

    If `allow` is None, the key allows all rows. Otherwise, a claim that is missing from `allow` allows no
    values.
    """

    id: str
    caller: str
    sha256: str
    createdAt: str
    reports: tuple[str, ...] | None = None
    pii: bool = True
    allow: Mapping[str, tuple[str, ...]] | None = None

    @property
    def claims(self) -> Claims | None:
        if self.allow is None:
            return None
        return {name: frozenset(values) for name, values in self.allow.items()}


def read_keys(path: Path) -> list[Key]:
    """Return the keys in the file.

    Raises KeyFileUnusable if the file is not valid.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [_key(fields) for fields in content["keys"]]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise KeyFileUnusable(f"{path} is not a valid API key file: {error}") from None


def _key(fields: dict[str, Any]) -> Key:
    texts = {name: str(fields[name]) for name in ("id", "caller", "sha256", "createdAt")}
    reports = fields.get("reports")
    if reports is not None and not isinstance(reports, list):
        raise ValueError("`reports` must be a list or null")
    pii = fields.get("pii", True)
    if not isinstance(pii, bool):
        raise ValueError("`pii` must be true or false")
    permitted = tuple(map(str, reports)) if reports is not None else None
    return Key(**texts, reports=permitted, pii=pii, allow=_allow(fields.get("allow")))


def _allow(value: object) -> dict[str, tuple[str, ...]] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(values, list) for values in value.values()):
        raise ValueError("`allow` must be an object of lists or null")
    return {name: tuple(map(str, values)) for name, values in value.items()}
