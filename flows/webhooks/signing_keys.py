"""Keys that are derived from the operator's secrets: each caller's for signing, one to seal addresses. Pure.

A webhook's path or query may hold a secret of its receiver's. What Prefect keeps of it, and shows to
operators, is therefore sealed. To change the secret, the new one becomes the first line of the file: new
addresses are sealed with it, old ones still open, and messages carry a signature by each until the old
line is removed.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

MIN_LENGTH = 24


class UnsealError(Exception):
    """The address was sealed with a secret that is no longer among the operator's."""


class WebhookSecrets:
    """At least one; ValueError for one that is too short to be a secret."""

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets or any(len(each) < MIN_LENGTH for each in secrets):
            raise ValueError(f"a webhook secret needs at least {MIN_LENGTH} characters")
        self._secrets = tuple(secrets)
        sealing = (base64.urlsafe_b64encode(_key(each, "seal")) for each in secrets)
        self._seals = MultiFernet([Fernet(key) for key in sealing])

    def signing_keys(self, caller: str) -> list[bytes]:
        """32 bytes each, the one in use first."""
        return [_key(each, "sign", caller) for each in self._secrets]

    def signing_secret(self, caller: str) -> str:
        """As Standard Webhooks writes a key down."""
        return "whsec_" + base64.b64encode(self.signing_keys(caller)[0]).decode()

    def seal(self, url: str) -> str:
        return self._seals.encrypt(url.encode()).decode()

    def unseal(self, sealed: str) -> str:
        try:
            return self._seals.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise UnsealError from None


def parse_secrets(text: str) -> WebhookSecrets:
    """One a line."""
    return WebhookSecrets([line.strip() for line in text.splitlines() if line.strip()])


def _key(secret: str, *purpose: str) -> bytes:
    return hmac.digest(secret.encode(), "\0".join(("webhook", *purpose)).encode(), hashlib.sha256)
