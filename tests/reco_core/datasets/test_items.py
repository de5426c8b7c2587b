from __future__ import annotations

import polars as pl
import pytest

from reco_core.datasets import DatasetSpec, ItemsSpec, items, load
from reco_core.errors import DatasetInvalid

LOG = "user,item,ts\na,x,1\nb,y,2\n"


def test_found_beside_the_log(write):
    write("d/interactions.csv", LOG)
    folder = write("d/items.tsv", "id\tTitle\tCategory\ny\tYps\tA, B\nz\tZett\tB\nx\t\t\n").parent
    interactions = load(folder)
    assert interactions.item_ids == ("x", "y", "z")
    assert interactions.item_table.titles == (None, "Yps", "Zett")
    assert interactions.item_table.attribute_name == "Category"
    assert interactions.item_table.attributes == ((), ("A", "B"), ("B",))
    assert "item table: items.tsv" in interactions.report.notes
    assert load(folder / "interactions.csv").item_table == interactions.item_table


def test_named_in_the_spec(write, zipped):
    members = {"a/log.csv": LOG, "meta/things.csv": "key;label;kinds\nx;X;p|q\ny;Y;\n"}
    spec = DatasetSpec(
        path="a/log.csv", items=ItemsSpec(path="meta/things.csv", id="key", title="label", categories="kinds")
    )
    interactions = load(zipped(members), spec)
    assert interactions.item_table.titles == ("X", "Y")
    assert interactions.item_table.attributes == (("p", "q"), ())


def test_unknown_file_and_columns(write):
    path = write("d/log.csv", LOG)
    write("d/items.csv", "id,title\nx,X\n")
    with pytest.raises(DatasetInvalid) as caught:
        load(path.parent, DatasetSpec(items=ItemsSpec(path="item.csv")))
    assert caught.value.errors[0].pointer == "/items/path"
    assert "did you mean 'items.csv'?" in caught.value.message
    with pytest.raises(DatasetInvalid) as caught:
        load(path.parent, DatasetSpec(items=ItemsSpec(title="titel", categories="kinds")))
    assert [fault.pointer for fault in caught.value.errors] == ["/items/title", "/items/categories"]
    assert "did you mean 'title'?" in caught.value.message


@pytest.mark.parametrize("path", ["../secret.csv", "/etc/passwd", "sub/../../secret.csv"])
def test_paths_stay_inside(write, path):
    write("secret.csv", "id,title\nx,X\n")
    with pytest.raises(DatasetInvalid, match=r"there is no file .*; it must lie in the folder"):
        load(write("d/log.csv", LOG).parent, DatasetSpec(items=ItemsSpec(path=path)))
    with pytest.raises(DatasetInvalid, match=r"there is no file .*; it must lie in the folder"):
        load(write("d/log.csv", LOG).parent, DatasetSpec(path=path))


def test_a_file_that_only_looks_like_an_item_table_does_no_harm(write):
    folder = write("d/log.csv", LOG).parent
    write("d/books.csv", "shelf,width\n1,2\n")
    assert load(folder / "log.csv").item_table is None
    write("d/books.csv", "id,title\n1,Other\n")
    interactions = load(folder / "log.csv")
    assert interactions.item_table is None
    assert any("none of its ids" in note for note in interactions.report.notes)


def test_repeated_ids_keep_the_first_row(write):
    write("d/items.csv", "id,title\nx,First\nx,Second\ny,Y\n")
    assert load(write("d/log.csv", LOG).parent).item_table.titles == ("First", "Y")


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (["a|b, c", "d"], [["a", "b, c"], ["d"]]),
        (["a, b", " "], [["a", "b"], []]),
        (["['x', 'y z']", '["q"]'], [["x", "y z"], ["q"]]),
        (["(no genres listed)", None], [[], None]),
        ([["a", "a", ""], []], [["a"], []]),
    ],
)
def test_split(column, expected):
    assert items.split(pl.Series(column)).to_list() == expected


WIDE = (
    "id,name,category,price,brand,colour|size,tags,blurb\n"
    'x,Ex,"a, b",1.50,acme,,p|q|p,' + "long " * 60 + "\n"
    "q,Cue,,2,acme,,p,short\n"
    "y,,a,,007,,,\n"
)


def test_further_columns_become_features_of_the_items(write):
    path = write("log.csv", "user,item,ts\na,y,1\nb,z,2\n")
    write("items.csv", WIDE)
    found = load(path)
    assert found.item_ids == ("y", "z", "x", "q")
    assert found.item_features.to_dict(as_series=False) == {
        "category": [["a"], None, ["a", "b"], None],
        "price": [None, None, 1.5, 2.0],
        "brand": ["007", None, "acme", "acme"],
        "tags": [None, None, ["p", "q", "p"], ["p"]],
    }
    assert found.item_table.file_rows.tolist() == [2, -1, 0, 1]
    assert found.item_table.attributes == (("a",), (), ("a", "b"), ())
    (note,) = (note for note in found.report.notes if "columns left out" in note)
    assert note == "items.csv: columns left out: 'colour|size' (no values), 'blurb' (texts of up to 299 characters)"
    assert found.report.feature_columns["item"][0] == {"name": "category", "kind": "text_list"}


def test_what_is_not_wanted_as_title_or_categories_is_no_feature_either(write):
    path = write("log.csv", "user,item,ts\na,y,1\nb,z,2\n")
    write("items.csv", WIDE)
    found = load(path, DatasetSpec(items=ItemsSpec(title=None, categories=None)))
    assert found.item_features.columns == ["price", "brand", "tags"]
    other = load(path, DatasetSpec(items=ItemsSpec(title="brand", categories="tags")))
    assert other.item_features.columns == ["tags", "name", "category", "price"]
    assert other.item_table.attributes[2] == ("p", "q")


def test_a_table_of_another_log_gives_no_features(write):
    path = write("log.csv", "user,item,ts\na,u,1\nb,v,2\n")
    write("items.csv", WIDE)
    assert load(path).item_features.width == 0
