"""Tables of new items by themselves."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from reco_core.datasets.new_items import load_items
from reco_core.errors import DatasetInvalid, DatasetUnreadable


def test_formats_say_the_same(tmp_path: Path) -> None:
    rows = [{"id": "9", "title": "Nine", "genres": ["Drama", "War"]}, {"id": "8", "title": None, "genres": []}]
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (tmp_path / "a.csv").write_text("id,title,genres\n9,Nine,Drama|War\n8,,\n")
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        found = load_items(tmp_path / name, ["genres"])
        assert found.ids == ("9", "8"), name
        assert found.titles == ("Nine", None)
        assert found.attributes == (("Drama", "War"), ())
        assert found.attribute_name == "genres"


def test_the_models_own_column_comes_before_what_would_be_detected(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,genres,mood,attributes\n9,Drama,sad,x\n")
    assert load_items(tmp_path / "a.csv", ["mood"]).attributes == (("sad",),)
    assert load_items(tmp_path / "a.csv", ["smell"]).attributes == (("x",),)


def test_a_repeated_id_counts_once_and_is_noted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,genres\n9,Drama\n9,War\n")
    found = load_items(tmp_path / "a.csv")
    assert found.attributes == (("Drama",),)
    assert "(1)" in found.notes[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,genres\n,Drama\n", "line 2: item id missing"),
        ("id,genres\n<pad>,Drama\n", "can't be an id"),
        ("id,genres\n", "no row with an id"),
        ("genres,mood\nDrama,sad\n", "no column with item ids"),
    ],
)
def test_faults_are_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DatasetInvalid, match=said):
        load_items(tmp_path / "a.csv")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetUnreadable):
        load_items(tmp_path / "none.csv")
