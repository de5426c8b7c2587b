from __future__ import annotations

import polars as pl
import pytest

from reco_core.datasets import DatasetSpec, Limits, UsersSpec, feature_columns, load
from reco_core.errors import DatasetInvalid

LOG = "user,item,ts\nb,x,1\na,y,2\nb,y,3\nc,x,4\n"
USERS = (
    "user_id,age,Gender,score,interests,e-mail,Zip\n"
    "a,33,f,1.5,art|film,a@x.y,01234\n"
    "z,40,m,2,art,z@x.y,1\n"
    "b,,m,,,b@x.y,\n"
)


def check(interactions) -> None:
    assert interactions.user_ids == ("b", "a", "c")
    features = interactions.user_features
    assert features.schema == {
        "age": pl.Int64,
        "Gender": pl.String,
        "score": pl.Float64,
        "interests": pl.List(pl.String),
    }
    assert features["age"].to_list() == [None, 33, None]
    assert features["Gender"].to_list() == ["m", "f", None]
    assert features["score"].to_list() == [None, 1.5, None]
    assert features["interests"].to_list() == [None, ["art", "film"], None]


def test_a_table_beside_the_log_is_found(write, zipped):
    path = write("data/log.csv", LOG)
    write("data/users.csv", USERS)
    found = load(path)
    check(found)
    check(load(path.parent))
    check(load(zipped({"log.csv": LOG, "Customers.csv": USERS})))
    report = found.report.as_dict()
    assert report["user_table"] == {"file": "users.csv", "rows": {"in": 3, "accepted": 3, "rejected": {}}}
    assert report["feature_columns"]["user"] == [
        {"name": "age", "kind": "integer"},
        {"name": "Gender", "kind": "text"},
        {"name": "score", "kind": "number"},
        {"name": "interests", "kind": "text_list"},
    ]
    assert {finding["code"]: finding["count"] for finding in report["warnings"]} == {
        "users_without_entry": 1,
        "users_never_seen": 1,
    }
    assert "user table: users.csv" in report["notes"]


def test_columns_that_identify_people_are_not_read(write):
    path = write("log.csv", LOG)
    write("users.csv", USERS)
    found = load(path)
    assert "e-mail" not in found.user_features.columns
    assert "Zip" not in found.user_features.columns
    (note,) = (note for note in found.report.notes if "left out" in note)
    assert note == "users.csv: columns left out: 'e-mail' (it identifies people), 'Zip' (it identifies people)"


def test_other_formats_and_names(write):
    path = write("log.csv", LOG)
    pl.DataFrame({"who": ["b", "a"], "age": [1, 2], "tall": [True, None], "v": [[1.5], [2.5]]}).write_parquet(
        path.with_name("people.parquet")
    )
    found = load(path, DatasetSpec(users=UsersSpec(path="people.parquet", id="who")))
    assert found.user_features.to_dict(as_series=False) == {"age": [1, 2, None], "tall": ["true", None, None]}
    assert "'v' (lists of type Float64)" in found.report.notes[-1]
    write("users.jsonl", '{"id": "a", "age": 7, "tags": ["q", "r"]}\n{"id": "c", "age": 8}\n')
    found = load(path)
    assert found.user_features.to_dict(as_series=False) == {"age": [None, 7, 8], "tags": [None, ["q", "r"], None]}
    assert load(path, DatasetSpec(users=None)).user_features.is_empty()


def test_numeric_ids_meet_whatever_they_are_written_as(write):
    path = write("log.csv", "user,item,ts\n1,x,1\n2,y,2\n")
    write("users.csv", "id,age\n2.0,20\n1.0,10\n")
    assert load(path).user_features["age"].to_list() == [10, 20]


def test_a_table_of_another_log_is_left_out(write):
    path = write("log.csv", LOG)
    write("users.csv", "user_id,age\nq,1\n")
    found = load(path)
    assert found.user_features.width == 0
    assert "users.csv: left out, since none of its ids occurs in the log" in found.report.notes
    assert feature_columns.available(found)["user"] == ()


def test_a_file_that_only_looks_like_a_user_table_does_no_harm(write):
    path = write("log.csv", LOG)
    write("users.csv", "something,else\n1,2\n")
    assert load(path).report.user_table is None
    write("users.csv", "")
    found = load(path)
    assert found.report.user_table is None
    assert any(note.startswith("users.csv: left out as a user table") for note in found.report.notes)


def test_bad_rows_are_counted_under_the_table_s_name(write):
    path = write("log.csv", LOG)
    write("users.csv", "user_id,age\na,1\n,2\nb\na,3\n")
    with pytest.raises(DatasetInvalid) as caught:
        load(path)
    assert caught.value.report.rejected == {"users.ragged": 1, "users.user_missing": 1}
    assert {(example["file"], example["line"]) for example in caught.value.report.examples} == {
        ("users.csv", 3),
        ("users.csv", 4),
    }
    found = load(path, DatasetSpec(on_bad_rows="skip"))
    assert found.user_features["age"].to_list() == [None, 1, None]
    rejected = {"ragged": 1, "user_missing": 1}
    assert found.report.user_table == {"file": "users.csv", "rows": {"in": 4, "accepted": 2, "rejected": rejected}}
    assert found.report.as_dict()["rows"]["rejected"] == {}
    assert "user_repeated" in {finding["code"] for finding in found.report.findings}


@pytest.mark.parametrize(
    ("users", "pointer"),
    [
        (UsersSpec(path="user.csv"), "/users/path"),
        (UsersSpec(path="users.csv", id="uid"), "/users/id"),
        (UsersSpec(path="other.csv"), "/users/id"),
    ],
)
def test_what_the_spec_names_must_be_there(write, users, pointer):
    path = write("log.csv", LOG)
    write("users.csv", "user_id,age\na,1\n")
    write("other.csv", "x,age\na,1\n")
    with pytest.raises(DatasetInvalid) as caught:
        load(path, DatasetSpec(users=users))
    assert caught.value.errors[0].pointer == pointer


def test_no_more_columns_than_the_limit(write):
    path = write("log.csv", LOG)
    write("users.csv", "id," + ",".join(f"c{n}" for n in range(9)) + "\na," + ",".join("123456789") + "\n")
    found = load(path, limits=Limits(feature_columns=7))
    assert found.user_features.columns == [f"c{n}" for n in range(7)]
    assert "'c7' (beyond the first 7)" in found.report.notes[-1]


def test_a_folder_with_two_tables_and_a_log_of_any_name(write):
    path = write("data/sessions.csv", LOG)
    write("data/items.csv", "id,title\nx,X\n")
    write("data/users.csv", "id,age\na,1\n")
    found = load(path.parent)
    assert found.report.user_table is not None
    assert found.item_table is not None
