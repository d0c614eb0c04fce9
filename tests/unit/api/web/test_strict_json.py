from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.web.strict_json import decode
from flows.errors import FieldError, InvalidRequest


def error_of(body: bytes) -> FieldError:
    with pytest.raises(InvalidRequest) as raised:
        decode(body)
    (error,) = raised.value.errors
    return error


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{}", {}),
        (b' {"a": [1, 2.5, true, null, "\\u00fc"]} \n', {"a": [1, 2.5, True, None, "\u00fc"]}),
        (b'"text"', "text"),
        ('{"ключ": "😀"}'.encode(), {"ключ": "😀"}),
        (b'"\\ud83d\\ude00"', "😀"),
        (b"9" * 4000, int("9" * 4000)),
        (b"[" * 16 + b"]" * 16, [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]),
        (b"[" * 16 + b"1" + b"]" * 16, [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]),
        (b'[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
    ],
)
def test_valid_json_is_read(body: bytes, value: Any) -> None:
    assert decode(body) == value


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (b"", "", "json"),
        (b"   ", "", "json"),
        (b"{", "", "json"),
        (b"{} {}", "", "json"),
        (b"{'a': 1}", "", "json"),
        (b'{"a": 1,}', "", "json"),
        (b"surveyId=668b", "", "json"),
        (b'"line\nbreak"', "", "json"),
        (b"NaN", "", "json"),
        (b'{"a": NaN}', "", "json"),
        (b"[Infinity]", "", "json"),
        (b"[-Infinity]", "", "json"),
        (b"01", "", "json"),
        (b"9" * 5000, "", "json"),
        (b"\xef\xbb\xbf{}", "", "json"),
        (b"\xff\xfe{\x00}\x00", "", "encoding"),
        (b'{"a": "\xfc"}', "", "encoding"),
        (b'"\xed\xa0\x80"', "", "encoding"),
        (b'{"a": 1, "a": 1}', "/a", "duplicate"),
        (b'{"a": 1, "\\u0061": 2}', "/a", "duplicate"),
        (b'{"a/b": 1, "a/b": 2}', "/a~1b", "duplicate"),
        (b'{"\\ud800": 1, "\\ud800": 2}', "/?", "duplicate"),
        (b'{"a": "\\u0000"}', "/a", "text"),
        (b'{"a": ["x", {"b~": "\\u0000"}]}', "/a/1/b~0", "text"),
        (b'{"a": {"\\u0000": 1}}', "/a", "text"),
        (b'{"a": "\\ud800"}', "/a", "text"),
        (b'["\\udc00\\ud800"]', "/0", "text"),
        (b'{"\\ud800": 1}', "", "text"),
        (b"[" * 17 + b"]" * 17, "/0" * 16, "depth"),
        (b'{"a":' * 17 + b"1" + b"}" * 17, "/a" * 16, "depth"),
        (b"[" * 900 + b"]" * 900, "/0" * 16, "depth"),
        (b"[" * 100_000 + b"]" * 100_000, "", "depth"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "", "depth"),
        (b"[" * 100_000, "", "depth"),
    ],
)
def test_invalid_json_is_rejected_with_pointer_and_code(body: bytes, pointer: str, code: str) -> None:
    error = error_of(body)
    assert (error.pointer, error.code) == (pointer, code)
    error.detail.encode()
    assert len(error.detail) < 200


@given(st.binary(max_size=40) | st.text('{}[]:,"\\u0d8aN1e-. ', max_size=40).map(str.encode))
@settings(max_examples=100)
def test_any_bytes_are_parsed_or_rejected(body: bytes) -> None:
    try:
        decode(body)
    except InvalidRequest as error:
        str(error).encode()
