from __future__ import annotations

import pytest

from reco_core.datasets import DatasetSpec, ItemsSpec, load
from reco_core.errors import DatasetInvalid, DatasetTooSmall


def test_a_line_per_user(write):
    interactions = load(write("beauty.txt", "1 10 20 30\n2  20\t40 \r\n\n3 10\n1 50\n"))
    assert interactions.report.format == "sequences"
    assert interactions.user_ids == ("1", "2", "3")
    assert interactions.item_ids == ("10", "20", "30", "40", "50")
    assert interactions.users.tolist() == [0, 0, 0, 1, 1, 2, 0]
    assert interactions.items.tolist() == [0, 1, 2, 1, 3, 0, 4]
    assert interactions.timestamps is None
    assert interactions.ratings is None
    assert interactions.report.rows_in == 7


def test_a_user_without_items(write):
    path = write("log.txt", "a x y\nb\nc x z w\n")
    with pytest.raises(DatasetInvalid) as caught:
        load(path, DatasetSpec(format="sequences"))
    assert caught.value.message.startswith("log.txt line 2: item missing; expected a user, then items")
    assert len(load(path, DatasetSpec(format="sequences", on_bad_rows="skip"))) == 5


def test_item_table_beside(write):
    write("d/items.csv", "item_id,name,tags\n10,Ten,a|b\n20,Twenty,\n")
    folder = write("d/log.txt", "1 10 20\n2 20 10 10\n").parent
    for spec in (DatasetSpec(), DatasetSpec(items=ItemsSpec(path="items.csv"), path="log.txt", format="sequences")):
        if spec.format == "auto":
            spec = spec.model_copy(update={"path": "log.txt"})
        interactions = load(folder, spec)
        assert interactions.item_table.titles == ("Ten", "Twenty")
        assert interactions.item_table.attributes == (("a", "b"), ())


def test_too_small(write):
    with pytest.raises(DatasetTooSmall):
        load(write("log.txt", "\n\n"), DatasetSpec(format="sequences"))
