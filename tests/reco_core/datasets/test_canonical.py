from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl
import pytest

from reco_core.datasets import content_hash, load, restore, store
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
