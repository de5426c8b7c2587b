"""Every class of bad row in every format that can have it; counts that add up; what is odd without being wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from reco_core.datasets import DatasetSpec, Limits, LoadReport, Mapping, load
from reco_core.errors import DatasetInvalid, DatasetTooLarge, PocketRecError

GOOD = [("u1", "i1", "1700000000", "4"), ("u2", "i2", "1700000001", "3"), ("u1", "i2", "1700000002", "5")]
NAMES = ("user_id", "item_id", "timestamp", "rating")
# class of fault -> (user, item, timestamp, rating) as text
BAD_VALUES = {
    "user_missing": ("", "i1", "1700000000", "4"),
    "item_missing": ("u1", "  ", "1700000000", "4"),
    "timestamp_missing": ("u1", "i1", "", "4"),
    "timestamp_invalid": ("u1", "i1", "NaN", "4"),
    "rating_missing": ("u1", "i1", "1700000000", ""),
    "rating_invalid": ("u1", "i1", "1700000000", "inf"),
    "user_invalid": ("u" * 300, "i1", "1700000000", "4"),
    "item_invalid": ("u1", "<pad>", "1700000000", "4"),
}


def joined(separator: str) -> Any:
    return lambda rows: separator.join(NAMES) + "\n" + "".join(separator.join(row) + "\n" for row in rows)


def as_jsonl(rows: list[tuple[str, ...]]) -> str:
    return "".join(json.dumps(dict(zip(NAMES, row, strict=True))) + "\n" for row in rows)


def as_movielens(rows: list[tuple[str, ...]]) -> str:
    return "".join("::".join((row[0], row[1], row[3], row[2])) + "\n" for row in rows)


def as_recbole(rows: list[tuple[str, ...]]) -> str:
    head = "user_id:token\titem_id:token\ttimestamp:float\trating:float\n"
    return head + "".join("\t".join(row) + "\n" for row in rows)


FORMATS: dict[str, tuple[str, Any, int]] = {  # file, writer, line of the first row
    "csv": ("log.csv", joined(","), 2),
    "tsv": ("log.tsv", joined("\t"), 2),
    "semicolons": ("log.csv", joined(";"), 2),
    "jsonl": ("log.jsonl", as_jsonl, 1),
    "movielens": ("ratings.dat", as_movielens, 1),
    "recbole": ("log.inter", as_recbole, 2),
}


def report_of(path: Path, spec: DatasetSpec | None = None) -> LoadReport:
    """The report, be the dataset good or bad."""
    try:
        found: object = load(path, spec).report
    except DatasetInvalid as error:
        found = error.report
    assert isinstance(found, LoadReport)
    return found


def adds_up(report: LoadReport) -> bool:
    rows = report.as_dict()["rows"]
    return rows["in"] == rows["accepted"] + sum(rows["rejected"].values())


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("code", BAD_VALUES)
def test_bad_values(write: Any, format_: str, code: str) -> None:
    name, writer, first = FORMATS[format_]
    report = report_of(write(name, writer([*GOOD, BAD_VALUES[code], GOOD[0]])))
    assert report.rejected == {code: 1}
    assert [(example["line"], example["code"]) for example in report.examples] == [(first + 3, code)]
    assert (report.rows_in, report.rows_accepted) == (5, 4)
    assert len(report.examples[0]["detail"]) < 200


@pytest.mark.parametrize(
    "code", ["user_missing", "item_missing", "timestamp_invalid", "rating_invalid", "rating_missing"]
)
def test_bad_values_in_parquet(tmp_path: Path, code: str) -> None:
    users, items = ["u1", "u2", "u1", "u2"], ["i1", "i2", "i2", "i1"]
    times, ratings = [1.7e9, 1.7e9, 1.7e9, 1.7e9], [4.0, 3.0, 5.0, 1.0]
    column = {"user": users, "item": items, "timestamp": times, "rating": ratings}[code.split("_")[0]]
    column[1] = {"missing": None, "invalid": float("nan")}[code.split("_")[1]]  # type: ignore[call-overload]
    pl.DataFrame(dict(zip(NAMES, (users, items, times, ratings), strict=True))).write_parquet(tmp_path / "log.parquet")
    report = report_of(tmp_path / "log.parquet")
    assert report.rejected == {code: 1}
    assert report.examples[0]["line"] == 2
    assert adds_up(report)


@pytest.mark.parametrize("format_", ["csv", "tsv", "jsonl", "movielens", "recbole", "sequences"])
@pytest.mark.parametrize(
    ("code", "line"),
    [("encoding_invalid", b"u\xff"), ("nul_byte", b"u\0"), ("line_too_long", b"u" * 2000)],
)
def test_bytes_that_are_no_text(write: Any, format_: str, code: str, line: bytes) -> None:
    if format_ == "movielens" and code == "encoding_invalid":
        pytest.skip("MovieLens is Latin-1 or UTF-8")
    if format_ == "sequences":
        name, text, first = "log.txt", "u1 i1 i2\nu2 i2 i1 i3\nu3 i3 i1\n", 1
    else:
        name, writer, first = FORMATS[format_]
        text = writer(GOOD)
    path = write(name, text.encode() + line + b"\n")
    with pytest.raises(DatasetInvalid) as caught:
        load(path, DatasetSpec(format="sequences" if format_ == "sequences" else "auto"), Limits(record_bytes=1000))
    report = caught.value.report
    assert isinstance(report, LoadReport)
    assert report.rejected == {code: 1}
    assert report.examples[0]["line"] == first + 3
    assert adds_up(report)


def test_ragged_rows_comments_and_blank_lines(write: Any) -> None:
    report = report_of(write("log.csv", joined(",")(GOOD) + "\n# a comment\nu1,i1\nu1,i1,1,2,3\n\n"))
    assert report.rejected == {"ragged": 3}
    assert [example["line"] for example in report.examples] == [6, 7, 8]
    assert [(found["code"], found["count"]) for found in report.findings] == [("blank_lines", 2)]
    assert adds_up(report)


def test_a_byte_order_mark_is_fine(write: Any) -> None:
    for name, text in {"a.csv": joined(",")(GOOD), "b.jsonl": as_jsonl(GOOD)}.items():
        assert report_of(write(name, b"\xef\xbb\xbf" + text.encode())).rejected == {}


def test_a_line_of_many_megabytes_costs_no_memory_and_is_one_fault(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    with path.open("wb") as file:
        file.write(joined(",")(GOOD).encode())
        file.truncate(40 << 20)  # a line of NULs, which takes no room on the disk
        file.seek(0, 2)
        file.write(b"\nu2,i1,1700000003,1\n")
    report = report_of(path, DatasetSpec(on_bad_rows="skip"))
    assert report.rows_accepted == 4
    assert set(report.rejected) <= {"nul_byte", "line_too_long"}
    assert {example["line"] for example in report.examples} == {5}
    assert adds_up(report)


def test_a_header_of_a_million_columns(write: Any) -> None:
    for text in (",".join(["a"] * 100_000), "user_id,item_id,timestamp" + ",x" * 2000):
        with pytest.raises(DatasetTooLarge, match="columns"):
            load(write("log.csv", text + "\n1\n"))
    with pytest.raises(DatasetInvalid, match="longer than a line may be"):
        load(write("log.csv", "a," * 600_000 + "\n1\n"))
    with pytest.raises(DatasetTooLarge, match="fields"):
        load(write("log.jsonl", json.dumps({f"field{number}": 1 for number in range(2001)}) + "\n"))


def test_endless_column_names_drown_no_message(tmp_path: Path, write: Any) -> None:
    name = "x" * 100_000
    pl.DataFrame({"user": [1], "item": [1], "ts": [1], name: [1]}).write_parquet(tmp_path / "log.parquet")
    for path in (
        write("log.csv", f"user,item,ts,{name}\na,x\n"),
        write("log.jsonl", json.dumps({"user": "a", name: 1}) + "\n"),
        tmp_path / "log.parquet",
    ):
        with pytest.raises(DatasetInvalid, match="longer than 256 characters") as caught:
            load(path)
        assert len(json.dumps(caught.value.as_dict())) < 1000


def test_at_most_twenty_examples_and_short_values(write: Any) -> None:
    rows = [("u1", "i1", "x" * 5000, "4")] * 50 + [("", "i1", "1", "4")] * 50
    report = report_of(write("log.csv", joined(",")([*GOOD, *rows])))
    assert report.rejected == {"timestamp_invalid": 50, "user_missing": 50}
    assert len(report.examples) == 20
    assert {example["code"] for example in report.examples} == {"timestamp_invalid", "user_missing"}
    assert max(len(example["detail"]) for example in report.examples) < 200


def test_rows_that_say_the_same_twice_are_counted_and_kept(write: Any) -> None:
    path = write("log.csv", joined(",")([*GOOD, GOOD[0], ("", "i1", "1", "1"), GOOD[1], GOOD[0]]))
    report = report_of(path, DatasetSpec(on_bad_rows="skip"))
    [found] = report.as_dict()["warnings"]
    assert (found["code"], found["count"]) == ("duplicate_rows", 3)
    assert [example["line"] for example in found["examples"]] == [5, 7, 8]
    assert report.rows_accepted == 6
    other_rating = [*GOOD, (*GOOD[0][:3], "1")]
    assert report_of(write("log.csv", joined(",")(other_rating))).findings == ()
    without_times = DatasetSpec(mapping=Mapping(timestamp=None, rating=None))
    assert report_of(write("log.csv", joined(",")([*GOOD, GOOD[0]])), without_times).findings == ()


def test_what_log_and_item_table_say_about_each_other(write: Any) -> None:
    write("data/items.csv", 'item_id,title\ni1,One\ni9,"=HYPERLINK(""x"")"\ni1,Uno\n,None\nx\ni8,<b>\n')
    path = write("data/log.csv", joined(",")(GOOD)).parent
    report = report_of(path, DatasetSpec(on_bad_rows="skip")).as_dict()
    assert report["rows"] == {"in": 3, "accepted": 3, "rejected": {}}
    rejected = {"ragged": 1, "item_missing": 1}
    assert report["item_table"] == {"file": "items.csv", "rows": {"in": 6, "accepted": 4, "rejected": rejected}}
    warnings = {found["code"]: (found["count"], found["examples"]) for found in report["warnings"]}
    assert warnings == {
        "item_repeated": (1, [{"file": "items.csv", "line": 4}]),
        "items_without_entry": (1, [{"value": "'i2'"}]),
        "items_never_used": (2, [{"value": "'i9'"}, {"value": "'i8'"}]),
    }


def test_the_report_says_why_each_column_was_taken(write: Any) -> None:
    path = write("log.csv", "uid,customer_id,sku,ts,date,stars\nx,u1,i1,1,2,3\ny,u2,i2,1,2,3\n")
    spec = DatasetSpec(mapping=Mapping(item="sku", rating=None))
    assert report_of(path, spec).as_dict()["detection"] == {
        "user": {"column": "uid", "how": "detected", "candidates": ["uid", "customer_id"]},
        "item": {"column": "sku", "how": "given", "candidates": ["sku"]},
        "timestamp": {"column": "ts", "how": "detected", "candidates": ["ts", "date"]},
        "rating": {"column": None, "how": "none", "candidates": ["stars"]},
    }


def test_no_class_of_fault_escapes_as_something_untyped(write: Any) -> None:
    rng = np.random.default_rng(5)
    texts = [writer(GOOD).encode() for _, writer, _ in FORMATS.values()]
    names = [name for name, _, _ in FORMATS.values()]
    for round_ in range(60):
        content = bytearray(texts[round_ % len(texts)])
        for at in rng.integers(0, len(content), 3):
            content[at] = rng.integers(0, 256)
        try:
            report = load(write(names[round_ % len(names)], bytes(content))).report
        except PocketRecError as error:
            report = getattr(error, "report", None)  # type: ignore[assignment]
        assert report is None or adds_up(report)
