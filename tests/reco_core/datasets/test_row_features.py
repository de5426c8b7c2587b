from __future__ import annotations

import polars as pl
import pytest
from pydantic import ValidationError

from reco_core.datasets import DatasetSpec, Mapping, load
from reco_core.errors import DatasetInvalid

LOG = "user,item,rating,ts,device,dwell,tags,empty,where\na,x,1,1,tv,3,p|q,,x\nb,,2,2,phone,x,p,,y\nb,y,3,3,,1.5,,,z\n"


def spec(*features: str, **options) -> DatasetSpec:
    return DatasetSpec(mapping=Mapping(features=features), **options)


def test_columns_of_the_log_are_read_on_request_alone(write):
    path = write("log.csv", LOG)
    assert load(path, DatasetSpec(on_bad_rows="skip")).row_features.width == 0
    found = load(path, spec("tags", "device", "dwell", on_bad_rows="skip"))
    # those of the row that was left out don't count
    assert found.row_features.to_dict(as_series=False) == {
        "tags": [["p", "q"], None],
        "device": ["tv", None],
        "dwell": [3.0, 1.5],
    }
    assert found.report.feature_columns["interaction"] == [
        {"name": "rating", "kind": "number"},
        {"name": "tags", "kind": "text_list"},
        {"name": "device", "kind": "text"},
        {"name": "dwell", "kind": "number"},
    ]


def test_the_same_from_parquet_and_jsonl(write):
    path = write("log.csv", LOG)
    frame = (
        pl.read_csv(path).drop_nulls("item").with_columns(pl.col("tags").str.split("|"), pl.col("dwell").cast(float))
    )
    frame.write_parquet(path.with_name("log.parquet"))
    frame.write_ndjson(path.with_name("log.jsonl"))
    wanted = {"tags": [["p", "q"], None], "device": ["tv", None], "dwell": [3.0, 1.5]}
    for name in ("log.parquet", "log.jsonl"):
        found = load(path.with_name(name), spec("tags", "device", "dwell"))
        assert found.row_features.to_dict(as_series=False) == wanted
        assert found.row_features.schema == {"tags": pl.List(pl.String), "device": pl.String, "dwell": pl.Float64}


@pytest.mark.parametrize(
    ("features", "pointer", "code"),
    [
        (("device", "devise"), "/mapping/features/1", "column_unknown"),
        (("device", "device"), "/mapping/features/1", "column_repeated"),
        (("rating",), "/mapping/features/0", "column_repeated"),
        (("device", "empty"), "/mapping/features/1", "column_unusable"),
    ],
)
def test_wrong_names_are_said_with_a_pointer(write, features, pointer, code):
    with pytest.raises(DatasetInvalid) as caught:
        load(write("log.csv", LOG), spec(*features, on_bad_rows="skip"))
    assert [(error.pointer, error.code) for error in caught.value.errors] == [(pointer, code)]
    assert features[-1] in caught.value.message


def test_the_ratings_column_is_there_under_the_name_of_its_role(write):
    path = write("log.csv", LOG.replace("rating", "stars"))
    with pytest.raises(DatasetInvalid, match=r"'stars' has a role already: .* under the name `rating`; leave it out"):
        load(path, spec("stars", on_bad_rows="skip"))
    with pytest.raises(DatasetInvalid, match=r"'user' has a role already; leave it out"):
        load(path, spec("user", on_bad_rows="skip"))


def test_formats_without_further_columns(write):
    with pytest.raises(DatasetInvalid, match="no further columns"):
        load(write("log.txt", "a x y z\nb y\n"), spec("device"))
    with pytest.raises(DatasetInvalid, match="no column 'device'"):
        load(write("u.data", "1\t2\t3\t4\n2\t3\t3\t4\n"), spec("device"))


def test_the_spec_is_bounded_and_survives_json():
    with pytest.raises(ValidationError):
        Mapping(features=tuple(f"c{n}" for n in range(33)))
    with pytest.raises(ValidationError):
        Mapping(features=("",))
    given = spec("a", "b")
    assert DatasetSpec.model_validate_json(given.model_dump_json()) == given
