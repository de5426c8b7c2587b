from __future__ import annotations

import math
import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_core.datasets import Limits, column_types

MISSING = {"nan", "na", "n/a", "null", "none", "\\n"}
cells = st.one_of(
    st.none(),
    st.sampled_from(["", " ", "nan", "NA", "null", "x", "007", "+1", "-0", "1.", ".5", "1e3", "1e999", "0x1", "a|b"]),
    st.integers(-(2**70), 2**70).map(str),
    st.integers(-9, 9).map(" {} ".format),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.text(max_size=4),
)
numeric = st.one_of(st.none(), st.integers(-99, 99).map(str), st.sampled_from(["", "NaN", "1.5"]))


def of(values: list, dtype=pl.String) -> pl.Series | str:
    found = column_types.typed(pl.DataFrame([pl.Series("c", values, dtype=dtype)]), Limits())
    return found.frame["c"] if found.frame.width else found.left_out["c"]


@given(st.one_of(st.lists(cells, min_size=1, max_size=6), st.lists(numeric, min_size=1, max_size=6)))
@settings(max_examples=300, deadline=None)
def test_text_columns_against_a_slow_reading(values):
    found = of(values)
    clean = [" ".join(re.sub(r"[\x00-\x1f\x7f]", " ", value or "").split()) or None for value in values]
    if not any(clean):
        assert found == "no values"
        return
    numbers = [None if (value or "").lower() in MISSING else value for value in clean]
    present = [value for value in numbers if value is not None]
    if present and all(re.fullmatch(r"[-+]?(0|[1-9][0-9]*)", value) for value in present):
        if all(-(2**63) <= int(value) < 2**63 for value in present):
            assert found.dtype == pl.Int64
            assert found.to_list() == [None if value is None else int(value) for value in numbers]
            return
    elif present and all(
        re.fullmatch(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?", value)
        and math.isfinite(float(value))
        for value in present
    ):
        assert found.dtype == pl.Float64
        assert found.to_list() == [None if value is None else float(value) for value in numbers]
        return
    bars = sum("|" in value for value in clean if value)
    if bars * 10 >= sum(value is not None for value in clean):
        parts = [None if v is None else [p.strip() for p in v.split("|") if p.strip()] for v in clean]
        if not isinstance(found, str) and found.dtype == pl.List(pl.String):
            assert found.to_list() == parts
        return
    if not isinstance(found, str):
        assert found.dtype == pl.String
        assert found.to_list() == clean


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (["a|b", "c", None, "|"], pl.List(pl.String), [["a", "b"], ["c"], None, []]),
        (["1|2", "3", ""], pl.List(pl.Int64), [[1, 2], [3], None]),
        (['["a", "b|c"]', "['d']", None], pl.List(pl.String), [["a", "b|c"], ["d"], None]),
        (["[1, 2]", "[]"], pl.List(pl.Int64), [[1, 2], []]),
        (["one | two", *["three"] * 20], pl.String, ["one | two", *["three"] * 20]),
        (["a\x07b", "c\nd"], pl.String, ["a b", "c d"]),
        (["Ana  B", "Ana\u00a0 B", "宮崎\u3000駿\u2028"], pl.String, ["Ana B", "Ana B", "宮崎 駿"]),
        (["a  b|c\u00a0d", "e"], pl.List(pl.String), [["a b", "c d"], ["e"]]),
        (["1", "2", "n/a", "None"], pl.Int64, [1, 2, None, None]),
        (["n/a", "none"], pl.String, ["n/a", "none"]),
        (["007", "010"], pl.String, ["007", "010"]),
    ],
)
def test_examples_of_text(values, dtype, expected):
    found = of(values)
    assert found.dtype == dtype
    assert found.to_list() == expected


@pytest.mark.parametrize(
    ("values", "given", "dtype", "expected"),
    [
        ([1, None], pl.UInt8, pl.Int64, [1, None]),
        ([2**64 - 1, 1], pl.UInt64, pl.String, [str(2**64 - 1), "1"]),
        ([1.5, math.nan, math.inf], pl.Float32, pl.Float64, [1.5, None, None]),
        ([True, None], pl.Boolean, pl.String, ["true", None]),
        (["a", "b"], pl.Categorical, pl.String, ["a", "b"]),
        ([[1, None], None], pl.List(pl.Int16), pl.List(pl.Int64), [[1], None]),
        ([[" a ", ""], []], pl.List(pl.String), pl.List(pl.String), [["a"], []]),
        ([[1, 2], [3, 4]], pl.Array(pl.Int32, 2), pl.List(pl.Int64), [[1, 2], [3, 4]]),
    ],
)
def test_types_of_parquet(values, given, dtype, expected):
    found = of(values, given)
    assert found.dtype == dtype
    assert found.to_list() == expected


@pytest.mark.parametrize(
    ("values", "dtype", "reason"),
    [
        ([None, ""], pl.String, "no values"),
        ([math.nan], pl.Float64, "no values"),
        ([[], None], pl.List(pl.String), "no values"),
        (['{"a": 1}', "{}"], pl.String, "objects"),
        ([{"a": 1}], pl.Struct({"a": pl.Int64}), "of type Struct"),
        ([[1.5]], pl.List(pl.Float64), "lists of type Float64"),
        (["1.5|2", "3"], pl.String, "lists of fractions"),
        (["x" * 257, "y"], pl.String, "texts of up to 257 characters"),
        ([b"x"], pl.Binary, "of type Binary"),
    ],
)
def test_what_no_feature_can_be_made_of_is_left_out_with_a_reason(values, dtype, reason):
    assert of(values, dtype).startswith(reason)
