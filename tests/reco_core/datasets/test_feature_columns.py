from __future__ import annotations

import dataclasses

import polars as pl

from reco_core.datasets import feature_columns, load
from reco_core.datasets.types import ItemTable


def test_ratings_are_a_column_of_the_interactions(write):
    rated = load(write("a.csv", "user,item,rating,ts\na,x,1.5,1\nb,y,2,2\n"))
    assert feature_columns.available(rated) == {"interaction": ("rating",), "item": (), "user": ()}
    column = feature_columns.column(rated, "interaction", "rating")
    assert column.dtype == pl.Float64
    assert column.to_list() == [1.5, 2.0]
    bare = load(write("b.csv", "user,item,ts\na,x,1\nb,y,2\n"))
    assert feature_columns.available(bare)["interaction"] == ()
    assert feature_columns.column(bare, "interaction", "rating") is None


def test_the_attribute_is_a_column_of_the_items_even_without_frames(write):
    log = load(write("log.csv", "user,item,ts\na,x,1\nb,y,2\n"))
    log = dataclasses.replace(log, item_table=ItemTable((None, None), "tags", (("p", "q"), ())))
    assert feature_columns.available(log)["item"] == ("tags",)
    column = feature_columns.column(log, "item", "tags")
    assert column.dtype == pl.List(pl.String)
    assert column.to_list() == [["p", "q"], []]


def test_frames_are_found_by_scope(write):
    log = load(write("log.csv", "user,item,rating,ts\na,x,4,1\nb,y,5,2\n"))
    log = dataclasses.replace(
        log,
        row_features=pl.DataFrame({"device": ["tv", None]}),
        item_features=pl.DataFrame({"price": [1.5, 2.0], "year": [None, 1999]}),
        user_features=pl.DataFrame({"age": [33, None]}),
    )
    assert feature_columns.available(log) == {
        "interaction": ("rating", "device"),
        "item": ("price", "year"),
        "user": ("age",),
    }
    assert feature_columns.column(log, "interaction", "device").to_list() == ["tv", None]
    assert feature_columns.column(log, "item", "year").to_list() == [None, 1999]
    assert feature_columns.column(log, "user", "age").to_list() == [33, None]
    assert feature_columns.column(log, "user", "year") is None
