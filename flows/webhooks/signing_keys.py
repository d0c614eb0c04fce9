"""Derive signing and encryption keys for webhooks from the operator's secrets.

Every caller has a separate signing key. A URL may contain the receiver's secret in its path or query, so URLs
are encrypted ("sealed") before they are stored in Prefect.

To rotate the operator's secret, add a new one as the first line of the secret file. New URLs are then
encrypted with the new secret, and existing URLs can still be decrypted. Messages have one signature per
secret until the old line is removed.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

MIN_LENGTH = 24


class UnsealError(Exception):
    """The webhook URL was encrypted with a secret that is no longer in the secret file."""


class WebhookSecrets:
    """The operator's webhook secrets. The current secret comes first.

    Raises ValueError if a secret is too short.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        check_secrets(secrets, "webhook")
        self._secrets = tuple(secrets)
        keys = (base64.urlsafe_b64encode(_key(secret, "seal")) for secret in secrets)
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def signing_keys(self, caller: str) -> list[bytes]:
        """Return the caller's 32-byte signing keys, with the current key first."""
        return [_key(secret, "sign", caller) for secret in self._secrets]

    def signing_secret(self, caller: str) -> str:
        """Return the caller's current key in the format of Standard Webhooks (`whsec_…`)."""
        return "whsec_" + base64.b64encode(self.signing_keys(caller)[0]).decode()

    def seal(self, url: str) -> str:
        return self._fernet.encrypt(url.encode()).decode()

    def unseal(self, sealed: str) -> str:
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise UnsealError from None


def parse_secrets(text: str) -> WebhookSecrets:
    """Parse a file that contains one secret per line."""
    return WebhookSecrets(secret_lines(text))


def secret_lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def check_secrets(secrets: Sequence[str], kind: str) -> None:
    """Raise ValueError if there are no secrets or if one of them is too short."""
    if not secrets or any(len(secret) < MIN_LENGTH for secret in secrets):
        raise ValueError(f"a {kind} secret needs at least {MIN_LENGTH} characters")


def _key(secret: str, *purpose: str) -> bytes:
    return hmac.digest(secret.encode(), "\0".join(("webhook", *purpose)).encode(), hashlib.sha256)
