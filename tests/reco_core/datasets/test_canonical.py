from __future__ import annotations

import dataclasses
import json

import numpy as np
import polars as pl
import pytest

from reco_core.datasets import content_hash, feature_columns, load, restore, store
from reco_core.errors import DatasetUnreadable


def test_round_trip_with_item_table(reference_log, tmp_path):
    interactions = load(reference_log)
    store(interactions, tmp_path / "d")
    back = restore(tmp_path / "d")
    assert content_hash(back) == content_hash(interactions)
    assert back.item_table == interactions.item_table
    assert back.report == interactions.report
    for name in ("users", "items", "timestamps", "ratings"):
        assert getattr(back, name).dtype == getattr(interactions, name).dtype
        assert np.array_equal(getattr(back, name), getattr(interactions, name))


def test_round_trip_of_an_order_only_log(tmp_path):
    path = tmp_path / "log.txt"
    path.write_text("a x y z\nb y\n")
    interactions = load(path)
    store(interactions, tmp_path / "d")
    back = restore(tmp_path / "d")
    assert back.timestamps is None
    assert back.item_table is None
    assert content_hash(back) == content_hash(interactions)


def with_features(interactions):
    rows, users, items = len(interactions), len(interactions.user_ids), len(interactions.item_ids)
    return dataclasses.replace(
        interactions,
        row_features=pl.DataFrame({"dwell": [0.5, None] * (rows // 2), "device": ["tv", None] * (rows // 2)}),
        user_features=pl.DataFrame({"id": range(users), "likes": [["a", "b"]] * (users - 1) + [None]}),
        item_features=interactions.item_features.with_columns(codes=pl.lit([1, 2], pl.List(pl.Int64)), n=items),
    )


def test_round_trip_with_features(reference_log, tmp_path):
    interactions = with_features(load(reference_log))
    store(interactions, tmp_path)
    back = restore(tmp_path)
    for name in ("row_features", "user_features", "item_features"):
        assert getattr(back, name).equals(getattr(interactions, name))
        assert getattr(back, name).schema == getattr(interactions, name).schema
    assert back.item_table.file_rows.tolist() == interactions.item_table.file_rows.tolist()
    assert back.report.as_dict() == interactions.report.as_dict()
    assert content_hash(back) == content_hash(interactions)


def test_features_count(reference_log):
    base = with_features(load(reference_log))
    table = base.item_table
    frames = (base.row_features, base.user_features, base.item_features)
    changed = [
        dataclasses.replace(base, row_features=frames[0].drop("dwell")),
        dataclasses.replace(base, row_features=frames[0].rename({"dwell": "dwelt"})),
        dataclasses.replace(base, row_features=frames[0].with_columns(pl.col("device").fill_null(""))),
        dataclasses.replace(base, row_features=frames[0].with_columns(pl.col("dwell").fill_null(0.0))),
        dataclasses.replace(base, user_features=frames[1].with_columns(pl.col("likes").fill_null([]))),
        dataclasses.replace(base, user_features=frames[1].with_columns(pl.col("id") + 1)),
        dataclasses.replace(base, item_features=frames[2].drop("year")),
        dataclasses.replace(base, item_table=dataclasses.replace(table, file_rows=table.file_rows[::-1])),
    ]
    assert len({content_hash(one) for one in [base, *changed]}) == len(changed) + 1


def test_datasets_stored_before_there_were_features_are_read(reference_log, tmp_path):
    store(load(reference_log), tmp_path)
    meta = json.loads((tmp_path / "meta.json").read_text())
    del meta["features"], meta["report"]["feature_columns"], meta["report"]["user_table"]
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    (tmp_path / "item_features.parquet").unlink()
    pl.read_parquet(tmp_path / "items.parquet").drop("file_row").write_parquet(tmp_path / "items.parquet")
    back = restore(tmp_path)
    assert back.item_features.width == back.user_features.width == back.row_features.width == 0
    assert back.item_table.file_rows is None
    assert content_hash(back) == "161ff846a5a602e093609d1f201d89f34ef912d15a6cdd0d9280af27633085f4"
    assert feature_columns.column(back, "item", "genres").len() == len(back.item_ids)


@pytest.mark.parametrize("name", ["row_features", "user_features", "item_features"])
def test_features_that_belong_to_other_rows(reference_log, tmp_path, name):
    store(with_features(load(reference_log)), tmp_path)
    path = tmp_path / f"{name}.parquet"
    pl.read_parquet(path).head(3).write_parquet(path)
    with pytest.raises(DatasetUnreadable, match="don't belong together"):
        restore(tmp_path)
    path.unlink()
    with pytest.raises(DatasetUnreadable, match="not a complete stored dataset"):
        restore(tmp_path)


def test_hash_is_of_the_content_not_of_the_parquet_bytes(reference_log, tmp_path):
    interactions = load(reference_log)
    store(interactions, tmp_path)
    path = tmp_path / "interactions.parquet"
    before = path.read_bytes()
    pl.read_parquet(path).write_parquet(path, compression="uncompressed")
    assert path.read_bytes() != before
    assert content_hash(restore(tmp_path)) == content_hash(interactions)


def test_hash_is_pinned(reference_log):
    # stored datasets are found again by it: it must not change by accident
    found = load(reference_log)
    assert content_hash(found) == "d159072d99d6e31d4d744c44bfbf2a397b0682ac829ecd6c03154cb145aea8f5"
    # as it was before there were columns for features, and still is where there are none
    plain = dataclasses.replace(found, item_features=pl.DataFrame())
    assert content_hash(plain) == "161ff846a5a602e093609d1f201d89f34ef912d15a6cdd0d9280af27633085f4"
    repeated = dataclasses.replace(found, item_features=found.item_features.select("genres"))
    assert content_hash(repeated) == content_hash(plain)


def test_every_part_counts(reference_log):
    base = load(reference_log)
    table = base.item_table
    changed = [
        dataclasses.replace(base, users=base.users[::-1]),
        dataclasses.replace(base, items=base.items[::-1]),
        dataclasses.replace(base, timestamps=base.timestamps + 1),
        dataclasses.replace(base, timestamps=None),
        dataclasses.replace(base, ratings=None),
        dataclasses.replace(base, user_ids=("x", *base.user_ids[1:])),
        dataclasses.replace(base, item_ids=("x", *base.item_ids[1:])),
        dataclasses.replace(base, item_table=None),
        dataclasses.replace(base, item_table=dataclasses.replace(table, titles=(None, *table.titles[1:]))),
        dataclasses.replace(base, item_table=dataclasses.replace(table, titles=("", *table.titles[1:]))),
        dataclasses.replace(base, item_table=dataclasses.replace(table, attribute_name="x")),
        dataclasses.replace(base, item_table=dataclasses.replace(table, attributes=((), *table.attributes[1:]))),
    ]
    assert len({content_hash(one) for one in [base, *changed]}) == len(changed) + 1
    assert content_hash(dataclasses.replace(base, report=dataclasses.replace(base.report, rows_in=0))) == content_hash(
        base
    )


def test_borders_between_texts_count(reference_log):
    base = load(reference_log)
    one = dataclasses.replace(base, user_ids=("ab", "c"))
    two = dataclasses.replace(base, user_ids=("a", "bc"))
    assert content_hash(one) != content_hash(two)


@pytest.mark.parametrize("damage", ["meta", "cut", "swap", "garbage"])
def test_incomplete_or_damaged_folders(reference_log, tmp_path, damage):
    store(load(reference_log), tmp_path)
    if damage == "meta":
        (tmp_path / "meta.json").unlink()
    elif damage == "cut":
        path = tmp_path / "interactions.parquet"
        path.write_bytes(path.read_bytes()[:-20])
    elif damage == "swap":
        pl.DataFrame({"id": ["only"]}).write_parquet(tmp_path / "users.parquet")
    else:
        (tmp_path / "meta.json").write_text('{"version": 1}')
    with pytest.raises(DatasetUnreadable):
        restore(tmp_path)
