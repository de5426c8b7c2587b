from __future__ import annotations

import gzip

import pytest

from reco_core.datasets import DatasetSpec, load
from reco_core.errors import DatasetInvalid, DatasetUnreadable

LOG = "user,item,ts\na,x,1\nb,y,2\n"


@pytest.mark.parametrize(
    ("names", "log"),
    [
        (["events.csv", "other.csv"], "events.csv"),
        (["clicks_2024.csv", "items.csv"], "clicks_2024.csv"),
        (["purchases.csv", "users.csv", "products.csv"], "purchases.csv"),
        (["data.txt", "README.txt", "LICENSE"], "data.txt"),
    ],
)
def test_the_log_among_several_files(write, names, log):
    for name in names:
        folder = write(f"d/{name}", LOG if name == log else "id,title\nx,X\n").parent
    assert len(load(folder)) == 2


def test_ambiguity_is_resolved_by_path(write):
    write("d/one.csv", LOG)
    folder = write("d/two.csv", LOG + "c,z,3\n").parent
    with pytest.raises(DatasetInvalid, match=r"one\.csv, two\.csv"):
        load(folder)
    assert len(load(folder, DatasetSpec(path="two.csv"))) == 3


def test_compressed_and_foreign_files(write):
    with pytest.raises(DatasetUnreadable, match="compressed with gzip"):
        load(write("log.csv.gz", gzip.compress(LOG.encode())))
    with pytest.raises(DatasetUnreadable, match="one object a line"):
        load(write("log.json", '[\n{"user": 1}\n]'))
    with pytest.raises(DatasetUnreadable, match="not a zip"):
        load(write("log.zip", LOG))
    with pytest.raises(DatasetUnreadable, match="no log found"):
        load(write("d/picture.png", b"\x89PNG").parent)


def test_named_format_wins_over_the_suffix(write):
    assert load(write("log.csv", "a x y\nb y\n"), DatasetSpec(format="sequences")).report.format == "sequences"
    assert load(write("log.weird", LOG), DatasetSpec(format="csv")).report.format == "csv"


def test_text_with_a_header_is_not_sequences(write):
    assert load(write("log.txt", LOG.replace(",", "\t"))).report.format == "csv"


def test_a_ratings_csv_that_is_not_movielens(write):
    assert load(write("ratings.csv", LOG)).report.format == "csv"
