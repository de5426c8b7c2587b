from __future__ import annotations

import polars as pl
import pytest

from reco_core.datasets import DatasetSpec, Mapping, load
from reco_core.errors import DatasetInvalid

FILES = {
    "ml.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "196\t242\t3\t881250949\n186\t302\t4.5\t891717742.0\n196\t7\t1\t881250949\n",
    "ml.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    "242\tToy Story\t1995\tAnimation Children's Comedy\n"
    "302\tunknown\tunkonwn\tunknown\n"
    '7\tThe "Real" Misérables (1990)\t1995\t\n'
    "8\tNever Rated\t1991\tDrama\n",
    "ml.user": "user_id:token\tage:token\tweight:float\tlikes:token_seq\tzip_code:token\n196\t24\t70\ta b\t1\n",
}


def check(interactions):
    assert interactions.report.format == "recbole"
    assert interactions.report.mapping == {
        "user": "user_id",
        "item": "item_id",
        "timestamp": "timestamp",
        "rating": "rating",
    }
    assert interactions.user_ids == ("196", "186")
    assert interactions.item_ids == ("242", "302", "7", "8")
    assert interactions.timestamps.tolist() == [881250949, 891717742, 881250949]
    assert interactions.item_table.titles == (
        "Toy Story (1995)",
        "unknown",
        'The "Real" Misérables (1990)',
        "Never Rated (1991)",
    )
    assert interactions.item_table.attribute_name == "genres"
    assert interactions.item_table.attributes == (("Animation", "Children's", "Comedy"), ("unknown",), (), ("Drama",))
    assert interactions.user_features.to_dict(as_series=False) == {
        "age": [24, None],
        "weight": [70.0, None],
        "likes": [["a", "b"], None],
    }
    assert interactions.user_features["weight"].dtype == pl.Float64
    assert interactions.item_features.to_dict(as_series=False) == {
        "genres": [["Animation", "Children's", "Comedy"], ["unknown"], None, ["Drama"]],
        "year": [1995, None, 1995, 1991],
    }
    assert interactions.report.user_table["file"] == "ml.user"


def test_further_columns_by_their_plain_names(write):
    text = "user_id:token\titem_id:token\ttimestamp:float\tdwell:float\ttags:token_seq\tshop:token\n"
    path = write("a.inter", text + "1\t2\t5\t30\t7 8\t01\n2\t3\t6\t\t\t02\n")
    write("a.item", "item_id:token\tprice:float\tcolours:token_seq\n3\t2\tred blue\n2\t1.5\t\n")
    found = load(path, DatasetSpec(mapping=Mapping(features=("tags", "dwell", "shop"))))
    assert found.row_features.to_dict(as_series=False) == {
        "tags": [[7, 8], None],
        "dwell": [30.0, None],
        "shop": ["01", "02"],
    }
    assert found.row_features["dwell"].dtype == pl.Float64
    assert found.item_features.to_dict(as_series=False) == {"price": [1.5, 2.0], "colours": [None, ["red", "blue"]]}


def test_folder_zip_and_file(write, zipped):
    for name, content in FILES.items():
        path = write(name, content)
    check(load(path.parent))
    check(load(path.with_name("ml.inter")))
    check(load(zipped(FILES)))
    check(load(zipped({f"x/ml-100k/{name}": content for name, content in FILES.items()})))


def test_without_items(write):
    interactions = load(write("a.inter", FILES["ml.inter"]))
    assert interactions.item_table is None
    assert len(interactions) == 3


def test_no_timestamp_column(write):
    with pytest.raises(DatasetInvalid) as caught:
        load(write("a.inter", "user_id:token\titem_id:token\n1\t2\n2\t3\n"))
    assert caught.value.errors[0].pointer == "/mapping/timestamp"
    assert "found: user_id,item_id" in caught.value.message


def test_several_logs_are_ambiguous(write):
    write("b.inter", FILES["ml.inter"])
    with pytest.raises(DatasetInvalid, match="several files could be the log"):
        load(write("a.inter", FILES["ml.inter"]).parent)
