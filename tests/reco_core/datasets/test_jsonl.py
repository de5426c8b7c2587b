from __future__ import annotations

import pytest

from reco_core.datasets import DatasetSpec, ItemsSpec, load
from reco_core.errors import DatasetInvalid, DatasetTooSmall


def test_types_are_mixed_as_json_allows(write):
    path = write(
        "log.jsonl",
        '{"user_id": 1, "product_id": "x", "ts": 5, "stars": 4}\n'
        '{"product_id": 7, "user_id": "b", "ts": 6.0, "extra": {"a": [1]}}\n'
        "\n"
        '{"user_id": "1", "product_id": "é\\u00e9", "ts": "7", "stars": 1.5}\n',
    )
    with pytest.raises(DatasetInvalid) as caught:
        load(path)
    assert caught.value.report.rejected == {"rating_missing": 1}
    interactions = load(path, DatasetSpec(mapping={"rating": None}))
    assert interactions.user_ids == ("1", "b")
    assert interactions.item_ids == ("x", "7", "éé")
    assert interactions.timestamps.tolist() == [5, 6, 7]


def test_every_bad_line_is_reported(write):
    path = write(
        "log.jsonl",
        b'{"user": "a", "item": "x", "ts": 1}\n'
        b'{"user": "a", "item": "y", "ts": 1\n'
        b'["a", "z", 1]\n'
        b'{"user": "b", "ts": 1}\n'
        b'{"user": "b", "item": "\xff", "ts": 1}\n'
        b'{"user": "b", "item": "y", "ts": NaN}\n'
        b'{"user": "b", "item": "y", "ts": 2}\r\n'
        b"null\n",
    )
    with pytest.raises(DatasetInvalid) as caught:
        load(path)
    report = caught.value.report
    assert report.rejected == {"json_invalid": 4, "item_missing": 1, "encoding_invalid": 1}
    assert [example["line"] for example in report.examples] == [2, 3, 4, 5, 6, 8]
    assert report.rows_in == 8
    assert caught.value.message.startswith("log.jsonl line 2: not a JSON object: ")


@pytest.mark.parametrize("content", ["hello\n", "[1]\n", "{}\n"])
def test_no_objects(write, content):
    with pytest.raises(DatasetInvalid, match="expected lines like"):
        load(write("log.jsonl", content))


def test_empty(write):
    with pytest.raises(DatasetTooSmall):
        load(write("log.jsonl", ""))


def test_detected_without_suffix_and_with_bom(write):
    lines = '\ufeff{"uid": "a", "sku": "x", "time": 1}\n{"uid": "b", "sku": "y", "time": 2}\n'
    assert load(write("upload", lines)).report.format == "jsonl"


def test_item_table_with_lists(write):
    write("d/log.jsonl", '{"user": "a", "item": "x", "ts": 1}\n{"user": "b", "item": "y", "ts": 2}\n')
    folder = write(
        "d/products.jsonl",
        '{"sku": "y", "title": "Y, the \\"second\\"", "categories": ["A, B", "C"]}\n{"sku": "x", "title": "X"}\n',
    ).parent
    interactions = load(folder, DatasetSpec(items=ItemsSpec(path="products.jsonl")))
    assert interactions.item_table.titles == ("X", 'Y, the "second"')
    assert interactions.item_table.attributes == ((), ("A, B", "C"))
    assert interactions.item_table.attribute_name == "categories"
