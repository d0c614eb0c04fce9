"""Test that `json_answers` converts arrays of answers to the same text as `cell_text`."""

import json
from decimal import Decimal
from functools import partial

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.formats import cell_text
from flows.rows.arrow_columns import TEXT
from flows.rows.columns import Question
from flows.sources.sqlite import json_answers

ONE, MANY = Question("one", "One", multiple=False), Question("many", "Many", multiple=True)


def texts(answers: pa.Array, question: Question) -> list[str | None]:
    array = json_answers.texts(answers, question)
    assert array.type == TEXT
    return list(array.to_pylist())


def one_by_one(answers: list[str], question: Question) -> list[str | None]:
    """Convert the answers one at a time with `cell_text`. An empty string means that there is no answer."""
    values = [json.loads(text, parse_float=Decimal) if text else None for text in answers]
    return list(cell_text.answer_texts(values, question))


@pytest.mark.parametrize(
    ("answer", "single", "multiple"),
    [
        ("", None, None),
        ("null", None, None),
        ('""', "", ""),
        ('"yes"', "yes", "yes"),
        ('"null"', "null", "null"),
        ('"say \\"hi\\"\\n"', 'say "hi"\n', 'say "hi"\n'),
        ('"\\ud83c\\udf33 \\u00fc"', "🌳 ü", "🌳 ü"),
        ("true", "true", "true"),
        ("12.50", "12.50", "12.50"),
        ("-0", "0", "0"),
        ("-0.0", "0.0", "0.0"),
        ("1e3", "1000", "1000"),
        ("1.5E-2", "0.015", "0.015"),
        (
            "123456789012345678901234567890",
            "123456789012345678901234567890",
            "123456789012345678901234567890",
        ),
        ("[]", "[]", None),
        ("[null]", "[null]", None),
        ('[""]', '[""]', ""),
        ('["a","b; c"]', '["a", "b; c"]', "a; b; c"),
        ('["a",1.50,null,true]', '["a", 1.50, null, true]', "a; 1.50; true"),
        ('[["a"],{"b":"c"}]', '[["a"], {"b": "c"}]', '["a"]; {"b": "c"}'),
        ('{"bb":1,"a":[]}', '{"a": [], "bb": 1}', '{"a": [], "bb": 1}'),
    ],
)
def test_one_answer_becomes_text(answer: str, single: str | None, multiple: str | None) -> None:
    single_answer = pa.array([answer], TEXT)
    assert texts(single_answer, ONE) == [single]
    assert texts(single_answer, MANY) == [multiple]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('[","]', ","),
        ('[",",","]', ",; ,"),
        ('["",","]', "; ,"),
        ('["a",",","b"]', "a; ,; b"),
        ('[",",1,"b"]', ",; 1; b"),
        ('["a",1,","]', "a; 1; ,"),
        ('[",",null,"b"]', ",; b"),
        ('[",",["x"],"b"]', ',; ["x"]; b'),
    ],
)
def test_a_choice_that_is_a_comma_is_not_a_separator(answer: str, expected: str) -> None:
    assert texts(pa.array([answer], TEXT), MANY) == [expected]


def test_a_number_with_more_digits_than_python_parses_is_rejected() -> None:
    """Integers that exceed Python's digit limit are rejected, as in any JSON document that Python parses."""
    with pytest.raises(ValueError, match="digits"):
        texts(pa.array(["1" * 5000], TEXT), ONE)
    assert texts(pa.array(["0." + "1" * 5000], TEXT), ONE) == ["0." + "1" * 5000]


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
words |= st.text('",\\[]{};:/ \n\teE-', max_size=6)
numbers = st.integers(-(10**25), 10**25).map(str)
numbers |= st.from_regex(r"-?(0|[1-9][0-9]{0,4})(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)


def escaped(word: str) -> str:
    """Write every character as an escape sequence, with surrogate pairs where needed."""
    units = word.encode("utf-16-be").hex()
    return '"' + "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4)) + '"'


json_texts = words.map(json.dumps) | words.map(partial(json.dumps, ensure_ascii=False)) | words.map(escaped)
json_texts |= words.map(lambda word: json.dumps(word).replace("/", "\\/"))


def _lists(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]")


def _objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.dictionaries(words.map(json.dumps), inner, max_size=3)
    return members.map(lambda items: "{" + ",".join(f"{key}:{value}" for key, value in items.items()) + "}")


documents = st.recursive(
    st.sampled_from(["null", "true", "false"]) | numbers | json_texts,
    lambda inner: _lists(inner) | _lists(json_texts) | _objects(inner),
    max_leaves=6,
)
commas = _lists(st.sampled_from(['""', '","', '"a"', '",a"', '"a,"', "1", "null", "[]", '[","]', '"\\""']))


@settings(deadline=None, derandomize=True, max_examples=400)
@given(
    answers=st.lists(st.one_of(st.just(""), documents, json_texts, commas), max_size=8),
    before=st.integers(0, 8),
    question=st.sampled_from([ONE, MANY]),
)
def test_any_answers_have_the_text_of_single_answers(
    answers: list[str], before: int, question: Question
) -> None:
    whole = pa.array(answers, TEXT)
    assert texts(whole, question) == one_by_one(answers, question)
    assert texts(whole.slice(before, 3), question) == one_by_one(answers[before : before + 3], question)


def test_answers_of_all_kinds_in_one_array() -> None:
    answers = ["", '"a"', "1", '["a","b"]', '["\\n"]', "null", "-1", "[]", "1E2"] * 500
    assert texts(pa.array(answers, TEXT), MANY) == one_by_one(answers, MANY)
