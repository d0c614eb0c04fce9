"""Create and verify short-lived tokens for the end users of a product.

The product's back end requests a token with its API key and passes the token to the user's browser. A token
is a JWT that this service signs. It names the API key that created it. The service looks up the key's rights
for each request, so a token never has more rights than its key. It becomes invalid when the key is revoked.
"""

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import jwt

from api.access.api_keys import KeyFile
from api.access.caller import Caller
from flows.query.row_rights import Claims, intersect
from flows.webhooks.signing_keys import check_secrets, secret_lines

ISSUER = "report-exports"
# Tokens that name a different algorithm in their header are rejected.
ALGORITHM = "HS256"
# Some proxies reject header lines longer than 8 KiB.
MAX_LENGTH = 8000
# A token's caller is named after the key's caller and the user, such as `shop/user-17`.
SEPARATOR = "/"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Token:
    """A new token. `text` is the JWT and must not be logged."""

    id: str
    caller: Caller
    expires_at: datetime
    text: str


class Tokens:
    """Creates and verifies tokens for the API keys in a key file.

    The secret file has one secret per line. New tokens are signed with the first secret. Tokens signed with
    any of the secrets are accepted, so a secret can be replaced while its tokens are still in use. The file
    is read for each token, so changes take effect immediately.
    """

    def __init__(self, keys: KeyFile, secret_file: Path, clock: Callable[[], datetime]) -> None:
        self._keys, self._secret_file, self._clock = keys, secret_file, clock

    def create(self, caller: Caller, expires_at: datetime) -> Token:
        """Create a token for a caller. The caller's name must come from `user_name`.

        Raises LookupError if the secret file cannot be used.
        """
        signing_keys = self._signing_keys()
        if not signing_keys:
            raise LookupError("the secret file of the tokens cannot be used")
        token_id = secrets.token_hex(8)
        expires_at = expires_at.replace(microsecond=0)
        payload = {
            "iss": ISSUER,
            "sub": caller.name,
            "exp": int(expires_at.timestamp()),
            "jti": token_id,
            "key": caller.key_id,
            "reports": sorted(caller.reports) if caller.reports is not None else None,
            "pii": caller.sees_pii,
            "allow": _as_lists(caller.claims),
        }
        return Token(token_id, caller, expires_at, jwt.encode(payload, signing_keys[0], ALGORITHM))

    def caller_of(self, text: str) -> Caller | None:
        """Return the caller of the token.

        Returns None if the token is invalid or expired, or if its key has been revoked.
        """
        payload = self._payload(text)
        key = self._keys.find(payload["key"]) if payload is not None else None
        if payload is None or key is None or payload["exp"] <= self._clock().timestamp():
            return None
        name = payload["sub"]
        if not name.startswith(key.name + SEPARATOR) or self._keys.is_caller(name):
            return None
        return limited(key, name, payload["reports"], payload["pii"], payload["allow"])

    def _payload(self, text: str) -> dict[str, Any] | None:
        """Return the payload of a token that was signed with one of the secrets, or None.

        The expiry date is not checked.
        """
        for signing_key in self._signing_keys():
            try:
                return jwt.decode(
                    text,
                    signing_key,
                    algorithms=[ALGORITHM],
                    issuer=ISSUER,
                    options={"require": ["sub", "exp", "key"], "verify_exp": False},
                )
            except (jwt.PyJWTError, ValueError, RecursionError):
                continue
        return None

    def _signing_keys(self) -> list[bytes]:
        try:
            lines = secret_lines(self._secret_file.read_text(encoding="utf-8"))
            check_secrets(lines, "token")
        except (OSError, ValueError) as error:
            logger.error("tokens are not accepted because the secret file cannot be used: %s", error)
            return []
        return [hmac.digest(line.encode(), b"token", hashlib.sha256) for line in lines]


def user_name(key: Caller, user: str) -> str:
    """Return the caller name for an end user.

    It starts with the name of the key's caller. This prefix prevents access to the exports of other callers.
    """
    return f"{key.name}{SEPARATOR}{user}"


def limited(
    key: Caller,
    name: str,
    reports: Sequence[str] | None,
    pii: bool,
    allow: Mapping[str, Sequence[str]] | None,
) -> Caller:
    """Return a caller with the requested rights, limited to the rights of the key."""
    claims = {claim: frozenset(values) for claim, values in allow.items()} if allow is not None else None
    permitted = key.reports
    if reports is not None:
        permitted = frozenset(reports) & (key.reports if key.reports is not None else frozenset(reports))
    return Caller(
        name,
        permitted,
        sees_pii=pii and key.sees_pii,
        claims=intersect(key.claims, claims),
        key_id=key.key_id,
        issuer=key.name,
    )


def _as_lists(claims: Claims | None) -> dict[str, list[str]] | None:
    return {name: sorted(values) for name, values in claims.items()} if claims is not None else None
