"""Ids come back as they were written, whether they are read as numbers or as text, in one part or in many."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_core.datasets import DatasetSpec, Mapping, lines, load
from reco_core.datasets.scan import scan

integers = st.one_of(st.integers(0, 50), st.integers(-(2**33), 2**33), st.integers(-(2**70), 2**70)).map(str)
codes = st.one_of(
    integers,
    st.integers(0, 99).map("{:04d}".format),
    st.integers(0, 9).map("+{}".format),
    st.sampled_from(["-0", "1e3", "0x1", "nan", "x", "1_0", "٣", "1:2"]),
)
# mostly numbers, so that a late exception falls into a part of its own
columns = st.one_of(
    st.lists(integers, min_size=2, max_size=40), st.lists(st.one_of(integers, integers, codes), min_size=2, max_size=40)
)


@given(
    columns,
    columns,
    st.sampled_from([",", "\t", ";", "::"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([16, 64, 1 << 20]),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_ids_come_back_as_they_were_written(users, items, separator, ending, chunk, with_blank_line):
    rows = list(zip(users, items, strict=False))
    rows = [("first", "one"), *rows] if len({u for u, _ in rows}) < 2 or len({i for _, i in rows}) < 2 else rows
    text = [separator.join(["user", "item", "rating", "note"])]
    text += [separator.join([user, item, str(n / 2), ""]) for n, (user, item) in enumerate(rows)]
    if with_blank_line:
        text.insert(2, "")
    spec = DatasetSpec(format="csv", separator=separator, header=True, mapping=Mapping(timestamp=None))
    with tempfile.TemporaryDirectory() as folder, patch.object(lines, "scan", partial(scan, chunk=chunk)):
        path = Path(folder) / "log.csv"
        path.write_text(ending.join(text) + ending, newline="")
        if len({u for u, _ in rows}) < 2 or len({i for _, i in rows}) < 2:
            return
        found = load(path, spec)
    assert [found.user_ids[code] for code in found.users] == [user for user, _ in rows]
    assert [found.item_ids[code] for code in found.items] == [item for _, item in rows]
    assert found.ratings.tolist() == [n / 2 for n in range(len(rows))]
    assert list(dict.fromkeys(found.users.tolist())) == list(range(len(found.user_ids)))


@pytest.mark.parametrize("text", ["a:::b::c", "a::b::::", "::::", "a\x1fb::c", "a:b::c::d", ":::::", "a::b"])
def test_separators_of_two_bytes_are_found_as_replace_finds_them(text):
    data = text.encode() + b"\n"
    run = next(scan(np.frombuffer(data, np.uint8), 0, 1, b"::", quoting=False, longest=100))
    assert run.fields.tolist() == [data.replace(b"::", b"\x1f").count(b"\x1f") + 1]


def test_a_number_far_down_that_is_none_leaves_the_column_as_text(write):
    rows = [f"{n % 7},{n % 11},{n}" for n in range(5_000)] + ["007,3,5000", "7,3,5001"]
    found = load(write("log.csv", "user,item,ts\n" + "\n".join(rows) + "\n"))
    assert found.user_ids == ("0", "1", "2", "3", "4", "5", "6", "007", "7")
    assert found.item_ids[:3] == ("0", "1", "2")
    assert found.timestamps[-1] == 5001


def test_ratings_that_are_no_numbers_are_named_as_they_stand(write):
    path = write("log.csv", "user,item,rating,ts\na,x,1,1\nb,y,2.5,2\nb,x,good,3\na,y,,4\n")
    found = load(path, DatasetSpec(on_bad_rows="skip"))
    assert found.ratings.tolist() == [1, 2.5]
    details = {example["line"]: example["detail"] for example in found.report.examples}
    assert "'good'" in details[4]
    assert found.report.rejected == {"rating_invalid": 1, "rating_missing": 1}
