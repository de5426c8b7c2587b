from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.byte_ranges import ByteRange, Unsatisfiable, parse


@pytest.mark.parametrize(
    ("header", "size", "expected"),
    [
        ("bytes=0-0", 10, ByteRange(0, 1)),
        ("bytes=2-5", 10, ByteRange(2, 6)),
        ("bytes=2-", 10, ByteRange(2, 10)),
        ("bytes=2-99999999999999999999999", 10, ByteRange(2, 10)),
        ("bytes=-3", 10, ByteRange(7, 10)),
        ("bytes=-30", 10, ByteRange(0, 10)),
        ("BYTES = 1 - 2", 10, ByteRange(1, 3)),
        ("bytes=" + "0" * 6000 + "1-2", 10, ByteRange(1, 3)),
        ("bytes=5-2", 10, None),
        ("bytes=-", 10, None),
        ("bytes=", 10, None),
        ("bytes=0-1,3-4", 10, None),
        ("bytes=a-b", 10, None),
        ("bytes=\u0661-\u0662", 10, None),
        ("items=0-1", 10, None),
        ("", 10, None),
    ],
)
def test_examples(header: str, size: int, expected: ByteRange | None) -> None:
    assert parse(header, size) == expected


@pytest.mark.parametrize(
    ("header", "size"),
    [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-1", 0), ("bytes=" + "9" * 9000 + "-", 10)],
)
def test_outside_the_file(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        parse(header, size)


@given(st.integers(0, 30), st.integers(0, 40), st.integers(0, 40))
def test_first_and_last_select_what_a_slice_selects(size: int, first: int, last: int) -> None:
    content = bytes(range(size))
    try:
        found = parse(f"bytes={first}-{last}", size)
    except Unsatisfiable:
        assert not content[first : last + 1]
    else:
        if last < first:
            assert found is None
        else:
            assert found is not None
            assert content[found.start : found.end] == content[first : last + 1]
            assert found.length == len(content[first : last + 1]) > 0


@given(st.text(max_size=40) | st.from_regex(r"bytes=[0-9,\- ]{0,20}", fullmatch=True), st.integers(0, 1000))
@example("bytes=--1", 5)
def test_no_header_breaks_it(header: str, size: int) -> None:
    try:
        found = parse(header, size)
    except Unsatisfiable:
        return
    assert found is None or 0 <= found.start < found.end <= size
