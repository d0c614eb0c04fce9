"""Identify the caller of a request by an API key, a token created with an API key, or a JWT."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

import jwt

from api.access.api_keys import KeyFile
from api.access.caller import LOCAL, LOCAL_CALLER, NAME, Caller
from api.access.tokens import Tokens
from api.settings import ApiSettings
from api.web.problems import Refusal
from flows.query.row_rights import Claims

MAX_TOKEN_LENGTH = 8192
CLOCK_SKEW_SECONDS = 30
# If this claim is false, personal data is masked. REPORTS_JWT_PII applies to tokens without the claim.
PII_CLAIM = "pii"


def _now() -> datetime:
    return datetime.now(UTC)


class Authentication:
    """Identifies callers by API key, token or JWT.

    If no method is configured, every request comes from the local caller. `tokens` is None unless both a key
    file and a secret file for tokens are configured.
    """

    def __init__(
        self,
        settings: ApiSettings,
        claim_names: Collection[str] = (),
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._keys = KeyFile(settings.keys_file) if settings.keys_file is not None else None
        self.tokens: Tokens | None = None
        if self._keys is not None and settings.token_secret_file is not None:
            self.tokens = Tokens(self._keys, settings.token_secret_file, clock)
        self._jwt = JwtCheck(settings, claim_names) if settings.jwt_key_file is not None else None

    @property
    def required(self) -> bool:
        return self._keys is not None or self._jwt is not None

    def is_key_caller(self, name: str) -> bool:
        """Return whether there is an API key for a caller with this name."""
        return self._keys is not None and self._keys.is_caller(name)

    def check_keys(self) -> Literal["ok", "stale", "failed"]:
        """Return the result of `KeyFile.check`, or `ok` if no key file is configured."""
        return self._keys.check() if self._keys is not None else "ok"

    def caller(self, authorization: Sequence[str]) -> Caller:
        """Return the caller that the Authorization header identifies.

        Raises Refusal 401 if the credentials are missing or invalid. The response does not say why they are
        invalid.
        """
        if not self.required:
            return LOCAL
        token = _bearer(authorization)
        caller = None
        if token is not None and self._keys is not None:
            caller = self._keys.caller_of(token)
        if token is not None and caller is None and self.tokens is not None:
            caller = self.tokens.caller_of(token)
        if token is not None and caller is None and self._jwt is not None:
            caller = self._jwt.caller_of(token)
        if caller is None or caller.name == LOCAL_CALLER:
            raise _refused(missing=not authorization)
        return caller


class JwtCheck:
    """Verifies JWTs.

    The issuer, audience and algorithm come from the settings. The algorithm in the token's header is ignored.
    """

    def __init__(self, settings: ApiSettings, claim_names: Collection[str]) -> None:
        self._algorithm = settings.jwt_algorithm
        self._issuer, self._audience = settings.jwt_issuer, settings.jwt_audience
        self._pii_default = settings.jwt_pii
        self._key = Path(settings.jwt_key_file or "").read_text(encoding="utf-8")
        self._claim_names = claim_names

    def caller_of(self, token: str) -> Caller | None:
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[self._algorithm],
                issuer=self._issuer,
                audience=self._audience,
                leeway=CLOCK_SKEW_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError, RecursionError):
            return None
        name, sees_pii = claims["sub"], claims.get(PII_CLAIM, self._pii_default)
        is_valid = isinstance(name, str) and NAME.fullmatch(name) and isinstance(sees_pii, bool)
        return Caller(name, sees_pii=sees_pii, claims=self._values(claims)) if is_valid else None

    def _values(self, claims: Mapping[str, Any]) -> Claims | None:
        """Return the values of the claims that restrict rows. A missing claim allows no rows."""
        if not self._claim_names:
            return None
        return {name: _values(claims[name]) for name in self._claim_names if name in claims}


def _values(claim: object) -> frozenset[str]:
    """Return the values of a claim as strings.

    A claim is a string, a whole number, or a list of strings and whole numbers.
    """
    items = claim if isinstance(claim, list) else [claim]
    return frozenset(str(item) for item in items if type(item) in (str, int))


def _bearer(authorization: Sequence[str]) -> str | None:
    if len(authorization) != 1 or len(authorization[0]) > MAX_TOKEN_LENGTH:
        return None
    scheme, _, token = authorization[0].partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _refused(missing: bool) -> Refusal:
    detail = "Send an API key: `Authorization: Bearer …`." if missing else "This key or token is not valid."
    challenge = "Bearer" if missing else 'Bearer error="invalid_token"'
    return Refusal(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})
