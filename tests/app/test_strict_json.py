from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.problems import Problem
from app.strict_json import MAX_DEPTH, parse

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_what_json_can_say_comes_back_unchanged(value: Any, ascii_only: bool) -> None:
    assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=200))
@example(b"\xff")
@example(b"\xef\xbb\xbf{}")
@example(b"")
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b"9" * 5000)
@example(b"1e999999999")
@example(b'"\\ud83d\\ude00"')
def test_any_bytes_give_a_value_or_one_problem(text: bytes) -> None:
    try:
        value, status = parse(text), 200
    except Problem as problem:
        value, status = problem.code, problem.status_code
    assert status == 200 or (value, status) == ("malformed_json", 400)
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "b": 2, "a": 3}', "duplicate key 'a'"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("[-Infinity]", "-Infinity is not JSON"),
        ("[1e400]", "the number 1e400 is out of range"),
        ("[9223372036854775808]", "out of range"),
        ('["\\ud800"]', "lone surrogates"),
        ('{"\\udfff": 1}', "lone surrogates"),
        ('["\\u0000"]', "U\\+0000"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested deeper"),
        ("[1,]", "line 1 column"),
        ("{'a': 1}", "line 1 column 2"),
        ("[1] [2]", "Extra data"),
    ],
)
def test_what_is_refused_and_why(text: str, said: str) -> None:
    with pytest.raises(Problem) as caught:
        parse(text)
    assert caught.value.code == "malformed_json"
    assert re.search(said, caught.value.text)


def test_the_deepest_allowed_nesting_is_allowed() -> None:
    parse("[" * MAX_DEPTH + "]" * MAX_DEPTH)


def test_the_pointer_leads_to_bad_text() -> None:
    with pytest.raises(Problem) as caught:
        parse('{"a": [0, {"b/c": "\\u0000"}]}')
    assert caught.value.faults[0].pointer == "/a/1/b~1c"
