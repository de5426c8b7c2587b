from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reco_core.datasets import Limits, load
from reco_core.errors import DatasetInvalid, DatasetTooLarge, DatasetUnreadable, PocketRecError


def written(tmp_path: Path, name: str = "log.parquet", **columns) -> Path:
    pl.DataFrame(columns).write_parquet(tmp_path / name)
    return tmp_path / name


def test_typed_columns(tmp_path):
    path = written(
        tmp_path,
        user_id=[10, 11, 10],
        item_id=pl.Series(["x", "y", "x"], dtype=pl.Categorical),
        event_time=[dt.datetime(1970, 1, 1, 0, 0, second, tzinfo=dt.UTC) for second in (3, 2, 1)],
        rating=[1.0, 2.5, 3.0],
        other=[[1], [2], [3]],
    )
    interactions = load(path)
    assert interactions.user_ids == ("10", "11")
    assert interactions.item_ids == ("x", "y")
    assert interactions.timestamps.tolist() == [3, 2, 1]
    assert interactions.ratings.tolist() == [1.0, 2.5, 3.0]
    assert interactions.report.format == "parquet"


def test_nulls_and_nan_are_faults_by_row(tmp_path):
    path = written(
        tmp_path,
        user=[1.0, None, 3.0, 4.0],
        item=["a", "b", " ", "c"],
        ts=[1.0, 2.0, 3.0, float("nan")],
    )
    with pytest.raises(DatasetInvalid) as caught:
        load(path)
    assert caught.value.report.rejected == {"user_missing": 1, "item_missing": 1, "timestamp_invalid": 1}
    assert [example["line"] for example in caught.value.report.examples] == [2, 3, 4]


def test_columns_of_impossible_types(tmp_path):
    with pytest.raises(DatasetInvalid, match="type List"):
        load(written(tmp_path, user=[[1]], item=["a"], ts=[1]))
    with pytest.raises(DatasetInvalid) as caught:
        load(written(tmp_path, user=["a", "b"], item=["a", "b"], ts=[[1], [2]]))
    assert caught.value.report.rejected == {"timestamp_invalid": 2}


def test_the_footer_decides_before_anything_is_read(tmp_path):
    path = tmp_path / "bomb.parquet"
    # a million equal rows take a few hundred bytes
    table = pa.table({"user": pa.array(["u"] * 1_000_000).dictionary_encode(), "item": [1] * 1_000_000})
    pq.write_table(table.append_column("ts", pa.array([1] * 1_000_000)), path)
    assert path.stat().st_size < 20_000
    with pytest.raises(DatasetTooLarge, match="announces 1,000,000 rows"):
        load(path, limits=Limits(rows=999_999))


def test_corrupt_files(tmp_path):
    good = written(tmp_path, user=["a", "b"] * 500, item=["x", "y"] * 500, ts=list(range(1000))).read_bytes()
    load(tmp_path / "log.parquet")
    for number, content in enumerate([b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1", good[:-8] + b"\xff" * 8, good[:200]]):
        path = tmp_path / f"{number}.parquet"
        path.write_bytes(content)
        with pytest.raises(DatasetUnreadable):
            load(path)


def test_flipped_bytes_never_escape_as_other_errors(tmp_path):
    good = written(tmp_path, user=["a", "b"] * 20, item=["x", "y"] * 20, ts=list(range(40))).read_bytes()
    path = tmp_path / "flipped.parquet"
    outcomes = set()
    for at in range(0, len(good), 7):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :])
        try:
            load(path, limits=Limits(rows=10_000))
            outcomes.add("read")
        except PocketRecError as error:
            outcomes.add(error.code)
    assert "dataset_unreadable" in outcomes


def test_item_table_with_a_list_column(tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    written(folder, "log.parquet", user=["a", "b"], item=[1, 2], ts=[1, 2])
    written(folder, "items.parquet", id=[2, 1], title=["Two", None], categories=[["A", "A", " ", "B"], None])
    interactions = load(folder)
    assert interactions.item_table.titles == (None, "Two")
    assert interactions.item_table.attributes == ((), ("A", "B"))
