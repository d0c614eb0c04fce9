import base64

import pytest

from flows.webhooks.signing_keys import UnsealError, WebhookSecrets, parse_secrets

OLD, NEW = "an old secret of the operator", "a new secret of the operator"
URL = "https://hooks.example.com/?token=hush"


def test_each_caller_has_a_key_of_their_own() -> None:
    secrets = WebhookSecrets([OLD])
    assert secrets.signing_keys("ada") == WebhookSecrets([OLD]).signing_keys("ada")
    assert (
        secrets.signing_keys("ada")
        != secrets.signing_keys("bob")
        != WebhookSecrets([NEW]).signing_keys("bob")
    )


def test_a_key_is_written_down_as_the_standard_has_it() -> None:
    shown = WebhookSecrets([OLD]).signing_secret("ada")
    assert shown.startswith("whsec_")
    assert len(base64.b64decode(shown.removeprefix("whsec_"), validate=True)) == 32


def test_a_sealed_address_shows_nothing_and_opens_again() -> None:
    secrets = WebhookSecrets([OLD])
    sealed = secrets.seal(URL)
    assert "hush" not in sealed
    assert secrets.unseal(sealed) == URL


def test_a_changed_secret_signs_first_and_opens_what_the_old_one_has_sealed() -> None:
    sealed = WebhookSecrets([OLD]).seal(URL)
    both = parse_secrets(f"{NEW}\n\n  {OLD}\n")
    assert both.unseal(sealed) == URL
    assert both.signing_keys("ada") == [
        *WebhookSecrets([NEW]).signing_keys("ada"),
        *WebhookSecrets([OLD]).signing_keys("ada"),
    ]
    assert both.signing_secret("ada") == WebhookSecrets([NEW]).signing_secret("ada")


@pytest.mark.parametrize("sealed", ["", "gAAAA", "ü"])
def test_another_secret_opens_nothing(sealed: str) -> None:
    for damaged in (sealed, WebhookSecrets([OLD]).seal(URL)):
        with pytest.raises(UnsealError):
            WebhookSecrets([NEW]).unseal(damaged)


@pytest.mark.parametrize("text", ["", "\n", "short", f"{OLD}\nshort"])
def test_a_file_without_a_good_secret_is_of_no_use(text: str) -> None:
    with pytest.raises(ValueError, match="24"):
        parse_secrets(text)
