"""Handle text that a report declares in several languages, such as labels."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flows.errors import DeclarationError

LANGUAGE = r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*"


class LocalText(str):
    """A string and its translations, keyed by language tag.

    The string itself is the text in the first of these languages.
    """

    texts: Mapping[str, str]

    def __new__(cls, texts: Mapping[str, str]) -> "LocalText":
        text = super().__new__(cls, next(iter(texts.values())))
        text.texts = {language.lower(): translation for language, translation in texts.items()}
        return text

    def __reduce__(self) -> tuple[type["LocalText"], tuple[Mapping[str, str]]]:
        return LocalText, (self.texts,)


def in_languages(text: str, languages: Sequence[str]) -> str:
    """Return the translation for the first language that has one, or the text itself.

    A translation for a related language also matches. For example, `de-AT` matches `de`, and `de` matches
    `de-AT`.
    """
    texts = getattr(text, "texts", {})
    for language in map(str.lower, languages):
        primary = language.partition("-")[0]
        related = [tag for tag in texts if tag.partition("-")[0] == primary]
        for tag in (language, primary, *related):
            if tag in texts:
                return str(texts[tag])
    return str(text)


def as_local_text(value: Any, part: str) -> Any:
    """Return a LocalText if the value maps languages to translations. Return any other value unchanged."""
    if not isinstance(value, Mapping):
        return value
    if not value or not all(_is_language(language) and _is_text(text) for language, text in value.items()):
        raise DeclarationError(
            f'{part}: must map languages to texts, such as {{"en": "Airline", "de": "Fluggesellschaft"}}'
        )
    return LocalText(value)


def _is_language(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(LANGUAGE, value) is not None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
