"""Derive keys from the operator's secrets, to sign messages and to encrypt webhook URLs.

Every caller has a separate signing key. The path or query of a URL may contain a secret of the receiver, so
the URL is encrypted ("sealed") before it is stored in Prefect.

To rotate the secret, add a new one as the first line of the file. New URLs are encrypted with it, and
existing URLs can still be decrypted. Messages have a signature for each secret until the old line is removed.
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
    """The operator's secrets, with the current one first.

    Raises ValueError if a secret is too short.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets or any(len(secret) < MIN_LENGTH for secret in secrets):
            raise ValueError(f"a webhook secret needs at least {MIN_LENGTH} characters")
        self._secrets = tuple(secrets)
        keys = (base64.urlsafe_b64encode(_key(secret, "seal")) for secret in secrets)
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def signing_keys(self, caller: str) -> list[bytes]:
        """Return the caller's signing keys of 32 bytes each, with the current one first."""
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
    return WebhookSecrets([line.strip() for line in text.splitlines() if line.strip()])


def _key(secret: str, *purpose: str) -> bytes:
    return hmac.digest(secret.encode(), "\0".join(("webhook", *purpose)).encode(), hashlib.sha256)
