from __future__ import annotations

import pytest

from reco_core.datasets import load
from reco_core.errors import DatasetInvalid

FILES = {
    "ml.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "196\t242\t3\t881250949\n186\t302\t4.5\t891717742.0\n196\t7\t1\t881250949\n",
    "ml.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    "242\tToy Story\t1995\tAnimation Children's Comedy\n"
    "302\tunknown\tunkonwn\tunknown\n"
    '7\tThe "Real" Misérables (1990)\t1995\t\n'
    "8\tNever Rated\t1991\tDrama\n",
    "ml.user": "user_id:token\tage:token\n196\t24\n",
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
