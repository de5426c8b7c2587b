from __future__ import annotations

import pytest

from app.conditional import strong_match, weak_match

TAG = '"abc"'


@pytest.mark.parametrize("header", ['"abc"', 'W/"abc"', '"x", "abc"', '"x","abc","y"', "*", " * ", '"a,b", "abc"'])
def test_weak_match(header: str) -> None:
    assert weak_match(header, TAG)


@pytest.mark.parametrize("header", ["", "abc", '"abcd"', '"x"', "W/abc", '"ABC"'])
def test_no_weak_match(header: str) -> None:
    assert not weak_match(header, TAG)


def test_weak_tags_never_match_strongly() -> None:
    assert strong_match('"abc"', TAG)
    assert strong_match("*", TAG)
    assert strong_match('W/"abc", "abc"', TAG)
    assert not strong_match('W/"abc"', TAG)
