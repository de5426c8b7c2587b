from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from reco_core.datasets import values
from reco_core.errors import DatasetInvalid


def times(entries, dtype=pl.String):
    found, note = values.timestamps(pl.Series("t", entries, dtype=dtype))
    assert found.dtype == pl.Int64
    return found.to_list(), note


def test_integers_stay():
    assert times(["1", " -5 ", "", None, "x"]) == ([1, -5, None, None, None], None)
    assert times(["9223372036854775807", "9223372036854775808"])[0] == [2**63 - 1, None]
    assert times([1, None], pl.UInt32) == ([1, None], None)


def test_whole_floats_become_integers_exactly():
    assert times(["881250949.0", "9007199254740993", "1e3"]) == ([881250949, 2**53 + 1, 1000], None)


def test_fractions_are_scaled_as_little_as_possible():
    found, note = times(["1.5", "2", "nan", "inf"])
    assert found == [1500, 2000, None, None]
    assert "milliseconds" in note
    found, note = times(["1700000000.000001", "1"])
    assert found == [1_700_000_000_000_001, 1_000_000]
    assert "microseconds" in note


def test_iso_8601():
    found, note = times(
        [
            "2020-01-02",
            "2020-01-02T03:04:05Z",
            "2020-01-02 03:04:05",
            "2020-01-02T03:04+02:00",
            "2020-01-02T03:04:05-0330",
            "2020-01-02 03:04:05+02",
            "2020-13-01",
            "yesterday",
            "12",
        ]
    )
    day = int(dt.datetime(2020, 1, 2, tzinfo=dt.UTC).timestamp())
    clock = day + 3 * 3600 + 4 * 60
    expected = [day, clock + 5, clock + 5, clock - 7200, clock + 5 + 12600, clock + 5 - 7200, None, None, None]
    assert found == expected
    assert "seconds since 1970-01-01 UTC" in note


def test_fractions_of_seconds_in_iso_8601():
    assert times(["1970-01-01T00:00:01.250Z", "1970-01-01T00:00:02"])[0] == [1250, 2000]
    assert times(["1970-01-01T00:00:01.000001", None])[0] == [1_000_001, None]


def test_typed_dates_and_times():
    berlin = pl.Series([dt.datetime(2020, 1, 1, tzinfo=dt.UTC)]).dt.convert_time_zone("Europe/Berlin")
    assert values.timestamps(berlin)[0].to_list() == [1577836800]
    assert times([dt.date(2020, 1, 1), None], pl.Date)[0] == [1577836800, None]
    nanos = pl.Series([1_577_836_800_500_000_000]).cast(pl.Datetime("ns"))
    assert values.timestamps(nanos)[0].to_list() == [1577836800500]


def test_no_time_at_all():
    assert times([None, None])[0] == [None, None]
    assert times([dt.time(1)], pl.Time)[0] == [None]


def test_ratings():
    found = values.ratings(pl.Series(["1", " 4.5", "x", "inf", "nan", "1e39", "", None]))
    assert found.dtype == pl.Float32
    assert found.to_list() == [1.0, 4.5, None, None, None, None, None, None]


def test_ids():
    def ids(entries, dtype):
        return values.ids(pl.Series("c", entries, dtype=dtype), "user", "log").to_list()

    assert ids([1, None], pl.Int64) == ["1", None]
    assert ids([1.0, None, float("nan")], pl.Float64) == ["1", None, None]
    assert ids(["a", " ", "b "], pl.String) == ["a", None, "b"]
    assert ids(["a", "b"], pl.Categorical) == ["a", "b"]
    assert ids(["1.0", "a.0"], pl.String) == ["1.0", "a.0"]
    with pytest.raises(DatasetInvalid, match="of type List"):
        ids([[1]], pl.List(pl.Int64))
