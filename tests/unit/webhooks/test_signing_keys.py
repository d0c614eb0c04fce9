import base64

import pytest

from flows.webhooks.signing_keys import UnsealError, WebhookSecrets, parse_secrets

OLD, NEW = "an old secret of the operator", "a new secret of the operator"
URL = "https://hooks.example.com/?token=hush"


def test_each_caller_has_its_own_key() -> None:
    secrets = WebhookSecrets([OLD])
    assert secrets.signing_keys("ada") == WebhookSecrets([OLD]).signing_keys("ada")
    assert (
        secrets.signing_keys("ada")
        != secrets.signing_keys("bob")
        != WebhookSecrets([NEW]).signing_keys("bob")
    )


def test_a_signing_secret_has_the_standard_format() -> None:
    secret = WebhookSecrets([OLD]).signing_secret("ada")
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32


def test_a_sealed_url_is_unreadable_and_can_be_unsealed() -> None:
    secrets = WebhookSecrets([OLD])
    sealed = secrets.seal(URL)
    assert "hush" not in sealed
    assert secrets.unseal(sealed) == URL


def test_after_a_rotation_the_new_key_comes_first_and_old_urls_can_be_unsealed() -> None:
    sealed = WebhookSecrets([OLD]).seal(URL)
    both = parse_secrets(f"{NEW}\n\n  {OLD}\n")
    assert both.unseal(sealed) == URL
    assert both.signing_keys("ada") == [
        *WebhookSecrets([NEW]).signing_keys("ada"),
        *WebhookSecrets([OLD]).signing_keys("ada"),
    ]
    assert both.signing_secret("ada") == WebhookSecrets([NEW]).signing_secret("ada")


@pytest.mark.parametrize("sealed", ["", "gAAAA", "ü"])
def test_another_secret_cannot_unseal(sealed: str) -> None:
    for undecryptable in (sealed, WebhookSecrets([OLD]).seal(URL)):
        with pytest.raises(UnsealError):
            WebhookSecrets([NEW]).unseal(undecryptable)


@pytest.mark.parametrize("text", ["", "\n", "short", f"{OLD}\nshort"])
def test_a_file_with_a_secret_that_is_too_short_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="24"):
        parse_secrets(text)
