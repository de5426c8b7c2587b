"""The preview: the first accepted rows with what stood in the file, and the first lines of what can't be read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from reco_core.datasets import DatasetSpec, preview
from reco_core.datasets.loading import load
from reco_core.datasets.types import LoadReport
from reco_core.errors import DatasetInvalid


def preview_of(path: Any, spec: DatasetSpec | None = None) -> dict[str, Any]:
    try:
        report: Any = load(path, spec).report
    except DatasetInvalid as error:
        report = error.report
    assert isinstance(report, LoadReport)
    assert report.preview is not None
    assert "preview" not in report.as_dict()
    return json.loads(json.dumps(report.preview, allow_nan=False))


def test_rows_columns_and_items(write: Any) -> None:
    write("data/items.csv", 'sku,name,genres\ni1,"=1+1 <script>",a|b\ni2,,\n')
    path = write(
        "data/log.csv", "uid,sku,at,stars,note\nu1,i1,2024-01-31T12:00:00Z,4.5,x\n,i1,,,\nu2,i2,2024-02-01,3.7,\n"
    )
    found = preview_of(path.parent, DatasetSpec.model_validate({"mapping": {"timestamp": "at"}}))
    assert (found["format"], found["file"], found["mapping_detected"]) == ("csv", "log.csv", True)
    assert found["mapping"] == {"user": "uid", "item": "sku", "timestamp": "at", "rating": "stars"}
    kinds = {column["name"]: column["type"] for column in found["columns"]}
    assert kinds == {"uid": "text", "sku": "text", "at": "date_time", "stars": "number", "note": "text"}
    assert found["timestamp_unit"] == "seconds"
    assert found["rows"] == [
        {
            "line": 2,
            "user": "u1",
            "item": "i1",
            "timestamp": "2024-01-31T12:00:00Z",
            "timestamp_raw": "2024-01-31T12:00:00Z",
            "rating": 4.5,
        },
        {
            "line": 4,
            "user": "u2",
            "item": "i2",
            "timestamp": "2024-02-01T00:00:00Z",
            "timestamp_raw": "2024-02-01",
            "rating": 3.7,
        },
    ]
    assert found["items"] == [
        {"item": "i1", "title": "=1+1 <script>", "categories": ["a", "b"], "features": {}},
        {"item": "i2", "title": None, "categories": [], "features": {}},
    ]


def test_further_columns_of_items_and_users(write: Any) -> None:
    write("data/items.csv", 'sku,name,genres,price,colours\ni1,One,a|b,1.5,"red|\x07blue|green"\ni2,Two,,,\n')
    write("data/users.csv", "uid,age,gender,email\nu1,33,f,x@y.z\nu2,,m,\n")
    path = write("data/log.csv", "uid,sku,ts\nu1,i1,1\nu2,i2,2\n")
    found = preview_of(path.parent, DatasetSpec())
    assert [item["features"] for item in found["items"]] == [
        {"price": 1.5, "colours": ["red", "blue", "green"]},
        {"price": None, "colours": None},
    ]
    assert found["users"] == [
        {"user": "u1", "features": {"age": 33, "gender": "f"}},
        {"user": "u2", "features": {"age": None, "gender": "m"}},
    ]


@pytest.mark.parametrize(
    ("unit", "time", "shown"),
    [
        ("seconds", 1_700_000_000, "2023-11-14T22:13:20Z"),
        ("milliseconds", 1_700_000_000_123, "2023-11-14T22:13:20.123000Z"),
        ("microseconds", 1_700_000_000_000_001, "2023-11-14T22:13:20.000001Z"),
        ("nanoseconds", 1_700_000_000_000_001_000, "2023-11-14T22:13:20.000001Z"),
        (None, 17, None),
    ],
)
def test_units_are_told_by_size(write: Any, unit: str | None, time: int, shown: str | None) -> None:
    found = preview_of(write("log.csv", f"user,item,ts\na,x,{time}\nb,y,{time}\n"))
    assert found["timestamp_unit"] == unit
    assert (found["rows"][0]["timestamp"], found["rows"][0]["timestamp_raw"]) == (shown, str(time))


def test_at_most_a_hundred_rows_and_short_values(write: Any) -> None:
    rows = "".join(f"u{number},{'i' * 250},{number}\nv,j,1\n" for number in range(150))
    found = preview_of(write("log.csv", "user,item,ts\n" + rows))
    assert len(found["rows"]) == 100
    assert len(found["rows"][0]["item"]) == 200
    assert found["rows"][99]["line"] == 101


def test_every_format_has_one(write: Any, tmp_path: Any, reference_log: Any) -> None:
    times = pl.Series([datetime(2024, 1, 1, tzinfo=UTC)] * 2)
    pl.DataFrame({"user": [1, 2], "item": [3, 4], "ts": times}).write_parquet(tmp_path / "log.parquet")
    found = preview_of(tmp_path / "log.parquet")
    assert [column["type"] for column in found["columns"]][:2] == ["int64", "int64"]
    assert found["rows"][0]["timestamp"] == "2024-01-01T00:00:00Z"
    lines = '{"user": "a", "item": 1, "ts": 1.5, "tags": []}\n{"user": "b", "item": 2, "ts": 2}\n'
    kinds = [column["type"] for column in preview_of(write("log.jsonl", lines))["columns"]]
    assert kinds == ["text", "integer", "number", "array"]
    found = preview_of(write("log.txt", "u1 a b\nu2 c\n"), DatasetSpec(format="sequences"))
    assert found["columns"] == []
    assert [row["item"] for row in found["rows"]] == ["a", "b", "c"]
    assert [row["line"] for row in found["rows"]] == [1, 1, 2]
    assert preview_of(reference_log)["items"]


def test_the_first_lines_of_what_can_not_be_read(write: Any, zipped: Any) -> None:
    spec = DatasetSpec()
    text = "who;what\r\na;b\0\n" + "x" * 300 + "\n" + "y\n" * 50
    for path in (write("log.csv", text), zipped({"log.csv": text})):
        found = preview.first_lines(path, spec)
        assert found is not None
        assert (found["file"], found["format"], len(found["lines"])) == ("log.csv", "csv", 20)
        assert found["lines"][:2] == ["who;what", "a;b\N{REPLACEMENT CHARACTER}"]
        assert len(found["lines"][2]) == 200
    assert preview.first_lines(write("a.parquet", b"PAR1 no"), spec) is None
    assert preview.first_lines(write("b.zip", b"PK\x03\x04 no"), spec) is None
    assert preview.first_lines(write("c.csv", b"x").parent / "missing.csv", spec) is None
    assert preview.first_lines(zipped({}), spec) is None
