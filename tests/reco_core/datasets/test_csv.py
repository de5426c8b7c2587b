from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from reco_core.datasets import DatasetSpec, Limits, Mapping, load
from reco_core.errors import DatasetInvalid, DatasetTooLarge, DatasetTooSmall, DatasetUnreadable

GOOD = "user_id,item_id,timestamp,rating\nu1,i1,3,4.5\nu2,i2,1,2\nu1,i2,3,5\n"


def rejected(path, spec=None) -> DatasetInvalid:
    with pytest.raises(DatasetInvalid) as caught:
        load(path, spec)
    return caught.value


def test_columns_codes_and_report(write):
    interactions = load(write("log.csv", GOOD))
    assert interactions.user_ids == ("u1", "u2")
    assert interactions.item_ids == ("i1", "i2")
    assert interactions.users.dtype == interactions.items.dtype == np.int32
    assert interactions.users.tolist() == [0, 1, 0]
    assert interactions.items.tolist() == [0, 1, 1]
    assert interactions.timestamps.dtype == np.int64
    assert interactions.timestamps.tolist() == [3, 1, 3]
    assert interactions.ratings.dtype == np.float32
    assert interactions.ratings.tolist() == [4.5, 2, 5]
    assert interactions.item_table is None
    assert interactions.report.as_dict() == {
        "format": "csv",
        "mapping": {"user": "user_id", "item": "item_id", "timestamp": "timestamp", "rating": "rating"},
        "mapping_detected": True,
        "detection": {
            role: {"column": column, "how": "detected", "candidates": [column]}
            for role, column in interactions.report.mapping.items()
        },
        "rows": {"in": 3, "accepted": 3, "rejected": {}},
        "item_table": None,
        "user_table": None,
        "feature_columns": {"interaction": [{"name": "rating", "kind": "number"}], "item": [], "user": []},
        "warnings": [],
        "examples": [],
        "users": 2,
        "items": 2,
        "notes": [],
    }


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::"])
def test_separator_is_detected(write, separator):
    interactions = load(write("log.csv", GOOD.replace(",", separator)))
    assert interactions.item_ids == ("i1", "i2")
    assert interactions.timestamps.tolist() == [3, 1, 3]


@pytest.mark.parametrize(
    ("header", "mapping"),
    [
        ("userId,movieId,time", ("userId", "movieId", "time")),
        ("Customer ID,SKU,Date", ("Customer ID", "SKU", "Date")),
        ("reviewerID,asin,unixReviewTime", ("reviewerID", "asin", "unixReviewTime")),
        ("uid,product_id,ts", ("uid", "product_id", "ts")),
        ("user,item,event_time", ("user", "item", "event_time")),
    ],
)
def test_common_names_are_detected(write, header, mapping):
    report = load(write("log.csv", f"{header}\na,x,1\nb,y,2\n")).report
    assert tuple(report.mapping[role] for role in ("user", "item", "timestamp")) == mapping
    assert report.mapping["rating"] is None
    assert report.detected


def test_mapping_overrides_detection(write):
    path = write("log.csv", "user_id,who,item_id,timestamp,rating\nu1,a,i1,1,5\nu1,b,i2,2,5\n")
    spec = DatasetSpec(mapping=Mapping(user="who", rating=None))
    interactions = load(path, spec)
    assert interactions.user_ids == ("a", "b")
    assert interactions.ratings is None


def test_given_mapping_is_not_called_detected(write):
    path = write("log.csv", "a,b,c\nu1,i1,1\nu2,i2,2\n")
    report = load(path, DatasetSpec(mapping=Mapping(user="a", item="b", timestamp="c", rating=None))).report
    assert not report.detected


def test_unknown_column_points_at_the_mapping_and_suggests(write):
    error = rejected(write("log.csv", GOOD), DatasetSpec(mapping=Mapping(user="user_ids", item="product")))
    assert [(fault.pointer, fault.code) for fault in error.errors] == [
        ("/mapping/user", "column_unknown"),
        ("/mapping/item", "column_unknown"),
    ]
    assert "did you mean 'user_id'?" in error.errors[0].detail
    assert "user_id,item_id,timestamp,rating" in error.errors[1].detail


def test_missing_timestamp_column_names_columns_and_remedy(write):
    error = rejected(write("log.csv", "user,item\na,x\nb,y\n"))
    assert error.errors[0].code == "timestamp_column_missing"
    assert "found: user,item" in error.message
    assert "--map timestamp=COLUMN" in error.message
    assert "--map timestamp=null" in error.message


def test_two_candidate_columns_are_ambiguous(write):
    error = rejected(write("log.csv", "user_id,userId,item,ts\na,b,x,1\nb,c,y,2\n"))
    assert error.errors[0].code == "column_ambiguous"


def test_file_order_when_timestamp_is_null(write):
    interactions = load(write("log.csv", "user,item\na,x\nb,y\n"), DatasetSpec(mapping=Mapping(timestamp=None)))
    assert interactions.timestamps is None
    assert any("order of the file" in note for note in interactions.report.notes)


def test_leaving_bad_rows_out_is_not_proposed_where_all_are_bad(write):
    error = rejected(write("ratings.csv", "user,item,timestamp\nu,,5\n,i,5\n"))
    assert "on_bad_rows" not in error.message
    assert error.message.endswith("no row could be read: mend the file, or say which of its columns is what")


def test_message_names_line_reason_and_expectation(write):
    rows = "".join(f"u{n},i{n},{n}\n" for n in range(810))
    path = write("ratings.csv", f"user,item,timestamp\n{rows}u,i,\nu,,5\n,i,5\nu,i,soon\n")
    error = rejected(path)
    assert error.message.startswith(
        "ratings.csv line 812: timestamp missing; expected user,item,timestamp (and 3 more rows)"
    )
    assert "on_bad_rows=skip" in error.message
    assert error.report.rejected == {
        "user_missing": 1,
        "item_missing": 1,
        "timestamp_missing": 1,
        "timestamp_invalid": 1,
    }
    assert [(example["line"], example["code"]) for example in error.report.examples] == [
        (812, "timestamp_missing"),
        (813, "item_missing"),
        (814, "user_missing"),
        (815, "timestamp_invalid"),
    ]
    assert error.report.rows_in == 814
    assert error.report.rows_accepted == 810


def test_bad_rows_can_be_skipped(write):
    path = write("log.csv", GOOD + "u3,i3,never,5\nu3\nu3,i3,1,much\nu3,i3,1,nan\n")
    report = load(path, DatasetSpec(on_bad_rows="skip")).report
    assert report.rejected == {"ragged": 1, "timestamp_invalid": 1, "rating_invalid": 2}
    assert (report.rows_in, report.rows_accepted, report.users) == (7, 3, 2)
    assert [(example["line"], example["code"]) for example in report.examples] == [
        (5, "timestamp_invalid"),
        (6, "ragged"),
        (7, "rating_invalid"),
        (8, "rating_invalid"),
    ]


def test_skipping_everything_is_invalid_not_small(write):
    error = rejected(write("log.csv", "user,item,ts\na,b,x\n"), DatasetSpec(on_bad_rows="skip"))
    assert error.report.rows_accepted == 0


def test_at_most_twenty_examples_with_every_reason_and_cut_values(write):
    rows = "".join(f"u,i,{'x' * 500}\n" for _ in range(30)) + ",i,1\n"
    error = rejected(write("log.csv", "user,item,ts\n" + rows))
    assert error.report.rejected == {"timestamp_invalid": 30, "user_missing": 1}
    assert len(error.report.examples) == 20
    assert {example["code"] for example in error.report.examples} == {"timestamp_invalid", "user_missing"}
    assert max(len(example["detail"]) for example in error.report.examples) < 200
    assert len(error.errors) == 20


def test_ragged_rows_of_both_kinds(write):
    error = rejected(write("log.csv", "user,item,ts\na,x,1\na,x\nb,y,2,3\nb,y,2\n"))
    assert [(example["line"], example["code"]) for example in error.report.examples] == [(3, "ragged"), (4, "ragged")]
    assert "2 fields; expected 3: user,item,ts" in error.message


def test_blank_lines_count_for_numbers_but_not_as_rows(write):
    report = rejected(write("log.csv", "user,item,ts\n\na,x,1\n\r\n\nb,y,\n\n")).report
    assert report.rows_in == 2
    assert report.examples[0]["line"] == 6


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_bom_line_ends_and_quotes(write, ending):
    text = '﻿"user","item","ts"\n"a, b","x ""1""",1\nb,"y\nz2",2'.replace("\n", ending)
    spec = DatasetSpec(on_bad_rows="skip")
    report = load(write("log.csv", text + f"{ending}b,y,3{ending}"), spec).report
    # an id with a line end could not stand in a vocabulary file
    assert report.rejected == {"item_invalid": 1}
    assert report.examples[0]["line"] == 3
    assert load(write("log.csv", text.replace(ending + "z2", "")), spec).user_ids == ("a, b", "b")
    assert load(write("log.csv", text.replace(ending + "z2", "")), spec).item_ids == ('x "1"', "y")


def test_line_numbers_after_a_record_of_several_lines(write):
    path = write("log.csv", 'user,item,ts,note\na,x,1,"one\ntwo\nthree"\nb,y,,"four"\nb,z,2,\n')
    assert rejected(path).report.examples[0]["line"] == 5


@pytest.mark.parametrize("row", ['a,5" disk,1', 'a,"x,1', 'a,"x"y,1', 'a,"x" ,1'])
def test_broken_quotes_are_found_where_they_are(write, row):
    report = rejected(write("log.csv", f"user,item,ts\nb,y,2\n{row}\nb,z,3\n")).report
    assert report.rejected == {"quote_invalid": 1}
    assert report.examples[0]["line"] == 3


def test_quotes_in_tab_separated_text_are_text(write):
    interactions = load(write("log.tsv", 'user\titem\tts\na\t5" disk\t1\nb\ty\t2\n'))
    assert interactions.item_ids == ('5" disk', "y")


def test_bad_utf8_and_nul_are_named_by_line(write):
    report = rejected(write("log.csv", b"user,item,ts\na,x,1\nb,\xe9t\xe9,2\nb,y\0,3\nc,\xc3\xa9,4\n")).report
    assert report.rejected == {"encoding_invalid": 1, "nul_byte": 1}
    assert [example["line"] for example in report.examples] == [3, 4]


def test_latin_1_if_the_spec_says_so(write):
    path = write("log.csv", "user,item,ts\na,été,1\nb,y,2\n".encode("latin-1"))
    assert load(path, DatasetSpec(encoding="latin-1")).item_ids == ("été", "y")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"user,user,item,ts\na,a,x,1\n", "duplicate_header"),
        (b"us\xe9r,item,ts\na,x,1\n", "encoding_invalid"),
        ("user,item,ts\na,x,1\n".encode("utf-16"), "encoding_invalid"),
        (b"user,it\0em,ts\na,x,1\n", "nul_byte"),
        (b"user,item,ts\ra,x,1\r", "line_end_invalid"),
        (b'user,"item,ts\na,x,1\n', "item_column_missing"),
    ],
)
def test_unusable_headers(write, content, code):
    assert code in [fault.code for fault in rejected(write("log.csv", content)).errors]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n\r\n\n",
        "\ufeff",
        "user,item,ts\n",
        "user,item,ts\na,x,1\n",
        "user,item,ts\na,x,1\nb,x,2\n",
        "user,item,ts\na,x,1\na,y,2\n",
    ],
)
def test_too_small(write, content):
    with pytest.raises(DatasetTooSmall):
        load(write("log.csv", content))


def test_too_small_carries_the_report(write):
    with pytest.raises(DatasetTooSmall) as caught:
        load(write("log.csv", "user,item,ts\na,x,1\nb,x,2\n"))
    assert (caught.value.report.users, caught.value.report.items) == (2, 1)


def test_limits(write):
    path = write("log.csv", "user,item,ts\n" + "a,x,1\n" * 10)
    with pytest.raises(DatasetTooLarge):
        load(path, limits=Limits(rows=9))
    with pytest.raises(DatasetTooLarge):
        load(path, limits=Limits(columns=2))
    long = write("long.csv", "user,item,ts\n" + "a" * 5000 + ",x,1\nb,y,2\nc,z,2\n")
    with pytest.raises(DatasetInvalid) as caught:
        load(long, limits=Limits(record_bytes=1000))
    assert caught.value.report.rejected == {"line_too_long": 1}
    assert caught.value.report.rows_accepted == 2


def test_header_can_be_missing(write):
    path = write("log.csv", "7,3,1\n8,4,2\n")
    assert "--map user=COLUMN" in rejected(path).message
    assert "column_1,column_2,column_3" in rejected(path).message
    spec = DatasetSpec(mapping=Mapping(user="column_1", item="column_2", timestamp="column_3"))
    interactions = load(path, spec)
    assert interactions.user_ids == ("7", "8")
    assert interactions.timestamps.tolist() == [1, 2]


def test_ids_keep_their_text_but_whole_floats_become_integers(write):
    path = write("log.csv", "user,item,ts\n007,1.0,1\n 7 ,2.0,2\n0031852,1.0,3\n")
    interactions = load(path)
    assert interactions.user_ids == ("007", "7", "0031852")
    assert interactions.item_ids == ("1", "2")


def test_reserved_and_endless_ids_are_refused(write):
    path = write("log.csv", f"user,item,ts\na,<pad>,1\nb,y,2\nc,{'z' * 300},3\nd,w,4\n")
    assert rejected(path).report.rejected == {"item_invalid": 2}


def test_nothing_there(tmp_path):
    with pytest.raises(DatasetUnreadable, match="can't be read"):
        load(tmp_path / "missing.csv")


def test_spec_survives_json():
    spec = DatasetSpec(mapping=Mapping(timestamp=None), items=None, separator=";")
    assert DatasetSpec.model_validate_json(spec.model_dump_json()) == spec


def test_blank_lines_before_the_header(write):
    path = write("log.csv", "\n\nuser,item,ts\na,x,1\nb,y,2\n")
    assert load(path).user_ids == ("a", "b")
    path = write("log.csv", "\n\nuser,item,ts\na,x,1\nb,y,z\n")
    assert rejected(path).report.examples[0]["line"] == 5


def test_several_missing_columns_make_one_sentence(write):
    error = rejected(write("log.csv", "who;what\na;b\n"), DatasetSpec(separator=","))
    assert error.message == (
        "log.csv: no usable user, item and timestamp columns; found: who;what; with one column only, is the separator "
        "right?; name them with --map user=COLUMN; --map item=COLUMN; --map timestamp=COLUMN"
    )
    assert len(error.errors) == 3


def test_a_column_given_to_one_role_is_not_detected_for_another(write):
    error = rejected(write("log.csv", GOOD), DatasetSpec(mapping=Mapping(item="user_id")))
    assert [fault.code for fault in error.errors] == ["user_column_missing"]


@pytest.mark.parametrize("separator", ['"', "\n", "é", "a", "1", ",,,", ""])
def test_impossible_separators(separator):
    with pytest.raises(ValidationError):
        DatasetSpec(separator=separator)


def test_mapping_may_be_null():
    assert DatasetSpec.model_validate({"mapping": None}) == DatasetSpec()
    assert Mapping.model_validate({"timestamp": "null"}) == Mapping(timestamp=None)
