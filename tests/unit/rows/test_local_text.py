"""Test which translation of a label is selected, and which declarations are rejected."""

import pickle
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text

from flows.errors import DeclarationError
from flows.query.report import Filter, Heading, Report, Scope
from flows.query.request import parse_request
from flows.query.statement import output_columns
from flows.rows.local_text import LocalText, in_languages

PLANES = Table(
    "planes",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("built_in", Integer),
    Column("owner", Text),
)
OWNER: Any = {"en": "Owner", "de": "Eigentümer", "pt-BR": "Proprietário"}


def report(**parts: Any) -> Report:
    declared: dict[str, Any] = {"name": "planes", "title": "Planes", "select": PLANES, "key": PLANES.c.id}
    return Report(**declared | parts)


@pytest.mark.parametrize(
    ("languages", "text"),
    [
        ([], "Owner"),
        (["de"], "Eigentümer"),
        (["DE-at"], "Eigentümer"),
        (["pt-br"], "Proprietário"),
        (["pt"], "Proprietário"),
        (["pt-PT"], "Proprietário"),
        (["fr"], "Owner"),
        (["fr", "de", "en"], "Eigentümer"),
    ],
)
def test_the_first_language_with_a_translation_is_selected(languages: list[str], text: str) -> None:
    assert in_languages(LocalText(OWNER), languages) == text
    assert in_languages("Owner", languages) == "Owner"


def test_a_text_keeps_its_translations_when_it_is_pickled() -> None:
    copied = pickle.loads(pickle.dumps(LocalText(OWNER)))  # noqa: S301 - our own object
    assert (copied, in_languages(copied, ["de"])) == ("Owner", "Eigentümer")


@pytest.mark.parametrize("heading", [OWNER, Heading(label=OWNER)])
def test_a_file_has_labels_in_the_default_language_unless_requested(heading: Any) -> None:
    planes = report(title={"en": "Planes", "de": "Flugzeuge"}, headings={"owner": heading})
    reports = {"planes": planes}
    plain = parse_request({"report": "planes"}, reports)
    german = parse_request({"report": "planes", "labelLanguage": "de-CH"}, reports)
    assert [column.label for column in output_columns(plain, [])] == ["Id", "Built in", "Owner"]
    assert [column.label for column in output_columns(german, [])] == ["Id", "Built in", "Eigentümer"]
    assert (plain.title, german.title) == ("Planes", "Flugzeuge")
    assert plain.fingerprint != german.fingerprint


@pytest.mark.parametrize("texts", [{}, {"english": "Owner"}, {"en": ""}, {"en": 7}, {7: "Owner"}])
@pytest.mark.parametrize(
    ("part", "declare"),
    [
        ("title", lambda texts: {"title": texts}),
        ("headings: 'owner': label", lambda texts: {"headings": {"owner": texts}}),
        ("scope: 'owner': label", lambda texts: {"scope": {"owner": Scope(PLANES.c.owner, label=texts)}}),
        (
            "filters: 'owner': label",
            lambda texts: {"filters": {"owner": Filter(PLANES.c.owner, label=texts)}},
        ),
    ],
)
def test_an_invalid_mapping_is_rejected_with_an_example(texts: Any, part: str, declare: Any) -> None:
    with pytest.raises(DeclarationError, match=f"^{part}: must map languages to texts, such as"):
        report(**declare(texts))
