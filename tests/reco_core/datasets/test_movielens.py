from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from reco_core.datasets import DatasetSpec, ItemsSpec, Mapping, UsersSpec, content_hash, feature_columns, load
from reco_core.datasets.names import MOVIELENS_GENRES
from reco_core.errors import DatasetInvalid, DatasetUnreadable


def flags(*genres: str) -> str:
    return "|".join("1" if genre in genres else "0" for genre in MOVIELENS_GENRES)


HUNDRED_K = {
    "u.data": "196\t242\t3\t881250949\n186\t302\t3\t891717742\n196\t302\t1\t881250949\n",
    "u.item": (
        f"242|Amélie (1937)|24-Jan-1997||http://x|{flags('Comedy', 'Animation')}\n"
        f"302|unknown||||{flags('unknown')}\n"
        f"9|Twelve Monkeys (1995)|x||y|{flags()}\n"
    ).encode("latin-1"),
    "u.genre": "\n".join(f"{genre}|{number}" for number, genre in enumerate(MOVIELENS_GENRES)) + "\n\n",
    "README": "about",
}


def check_100k(interactions):
    assert interactions.report.format == "movielens"
    assert interactions.user_ids == ("196", "186")
    assert interactions.item_ids == ("242", "302", "9")
    assert interactions.timestamps.tolist() == [881250949, 891717742, 881250949]
    assert interactions.ratings.tolist() == [3, 3, 1]
    assert interactions.item_table.titles == ("Amélie (1937)", "unknown", "Twelve Monkeys (1995)")
    assert interactions.item_table.attribute_name == "genres"
    assert interactions.item_table.attributes == (("Animation", "Comedy"), ("unknown",), ())
    assert interactions.report.items == 2


def test_100k_from_a_folder_a_zip_a_nested_zip_and_the_file(write, zipped):
    for name, content in HUNDRED_K.items():
        folder = write(f"ml/{name}", content).parent
    check_100k(load(folder))
    check_100k(load(folder.parent))
    check_100k(load(folder / "u.data"))
    check_100k(load(zipped(HUNDRED_K)))
    check_100k(load(zipped({f"ml-100k/{name}": content for name, content in HUNDRED_K.items()})))
    (folder / "u.genre").unlink()
    check_100k(load(folder, DatasetSpec(format="movielens")))


def test_1m_latin_1_titles_and_order(reference_log):
    interactions = load(reference_log)
    assert len(interactions) == 656
    assert interactions.item_ids[:3] == ("121", "96", "60")
    title = dict(zip(interactions.item_ids, interactions.item_table.titles, strict=True))
    genres = dict(zip(interactions.item_ids, interactions.item_table.attributes, strict=True))
    assert title["1"] == "Amélie (1937)"
    assert title["3"] == "Señor Éxito (1951)" or title["3"].startswith("Señor ")
    assert genres["1"] == ("Mystery", "Fantasy", "Western", "Film-Noir", "Children's", "Crime")
    # movies that nobody rated follow those of the log, in the order of the table
    assert len(interactions.item_ids) == 140 > interactions.report.items == 125
    rest = [int(item) for item in interactions.item_ids[125:]]
    assert rest == sorted(rest)
    lines = (reference_log / "ratings.dat").read_text().splitlines()
    again = [
        f"{interactions.user_ids[user]}::{interactions.item_ids[item]}::{rating:.0f}::{time}"
        for user, item, rating, time in zip(
            interactions.users, interactions.items, interactions.ratings, interactions.timestamps, strict=True
        )
    ]
    assert again == lines


def test_latest_csv(write, zipped):
    members = {
        "ml-latest-small/ratings.csv": "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n2,3,4.5,964981247\n",
        "ml-latest-small/movies.csv": 'movieId,title,genres\n1,"American President, The (1995)",Comedy|Drama\n'
        "3,Heat (1995),(no genres listed)\n",
        "ml-latest-small/tags.csv": "userId,movieId,tag,timestamp\n1,1,funny,1\n",
        "ml-latest-small/links.csv": "movieId,imdbId,tmdbId\n1,1,1\n",
        "__MACOSX/ml-latest-small/._ratings.csv": b"\0\0",
    }
    interactions = load(zipped(members))
    assert interactions.report.format == "movielens"
    assert interactions.ratings.tolist() == [4.0, 4.5]
    assert interactions.item_table.titles == ("American President, The (1995)", "Heat (1995)")
    assert interactions.item_table.attributes == (("Comedy", "Drama"), ())


def test_the_same_log_as_csv_has_the_same_content(reference_log, write):
    interactions = load(reference_log)
    rows = (reference_log / "ratings.dat").read_text().replace("::", ",")
    folder = write("copy/ratings.csv", "userId,movieId,rating,timestamp\n" + rows).parent
    movies = (reference_log / "movies.dat").read_text("latin-1")
    quoted = "".join('{},"{}",{}\n'.format(*line.replace('"', '""').split("::")) for line in movies.splitlines())
    write("copy/movies.csv", "movieId,title,genres\n" + quoted)
    assert content_hash(load(folder)) == content_hash(interactions)
    # the year is MovieLens' own
    plain = load(folder, DatasetSpec(format="csv"))
    without_year = interactions.item_features.drop("year")
    assert plain.item_features.equals(without_year)
    assert content_hash(plain) == content_hash(dataclasses.replace(interactions, item_features=without_year))
    strings = "\n".join(
        "u{};m{};{};{}".format(*line.split("::")) for line in (reference_log / "ratings.dat").read_text().split()
    )
    renamed = load(write("other.csv", "customer;sku;score;ts\n" + strings))
    assert renamed.users.tolist() == interactions.users.tolist()
    assert renamed.items.tolist() == interactions.items.tolist()
    assert renamed.timestamps.tolist() == interactions.timestamps.tolist()
    assert renamed.user_ids == tuple(f"u{user}" for user in interactions.user_ids)


def test_100k_users_years_and_genres_are_features_without_configuration(write, zipped):
    people = "186|39|F|executive|00000\n196|49|M|writer|55105\n5|1|M|other|1\n".encode("latin-1")
    for source in (zipped({**HUNDRED_K, "u.user": people}), write("ml/u.user", people).parent):
        if source.is_dir():
            for name, content in HUNDRED_K.items():
                write(f"ml/{name}", content)
        found = load(source)
        assert found.user_features.to_dict(as_series=False) == {
            "age": [49, 39],
            "gender": ["M", "F"],
            "occupation": ["writer", "executive"],
        }
        assert found.report.user_table == {"file": "u.user", "rows": {"in": 3, "accepted": 3, "rejected": {}}}
        assert "u.user: columns left out: 'zip_code' (it identifies people)" in found.report.notes
        assert found.item_features.to_dict(as_series=False) == {
            "genres": [["Animation", "Comedy"], ["unknown"], []],
            "year": [1937, None, 1995],
        }
        assert found.item_table.file_rows.tolist() == [0, 1, 2]
        assert feature_columns.available(found) == {
            "interaction": ("rating",),
            "item": ("genres", "year"),
            "user": ("age", "gender", "occupation"),
        }


def test_1m_users_and_movies_in_the_order_of_their_files(write):
    write("ml/ratings.dat", "7::30::5::100\n7::10::3::101\n2::20::4::100\n9::99::4::100\n")
    write("ml/users.dat", "2::F::1::10::48067\n9::M::56::16::70072-1234\n7::M::25::15::55117\n")
    movies = (
        "10::(500) Days of Été (2009) (1999)::Drama|Drama|Comedy\n20::Old::(no genres listed)\n30::New (2001)::War\n"
    )
    folder = write("ml/movies.dat", movies.encode("latin-1")).parent
    found = load(folder)
    assert found.user_ids == ("7", "2", "9")
    assert found.user_features.to_dict(as_series=False) == {
        "gender": ["M", "F", "M"],
        "age": [25, 1, 56],
        "occupation": [15, 10, 16],
    }
    assert found.item_ids == ("30", "10", "20", "99")
    assert found.item_table.titles[1] == "(500) Days of Été (2009) (1999)"
    # as the original reads them: the first year anywhere, genres as they stand
    assert found.item_features["year"].to_list() == [2001, 2009, None, None]
    assert found.item_features["genres"].to_list() == [
        ["War"],
        ["Drama", "Drama", "Comedy"],
        ["(no genres listed)"],
        None,
    ]
    assert found.item_table.attributes == (("War",), ("Drama", "Comedy"), (), ())
    assert found.item_table.file_rows.tolist() == [2, 0, 1, -1]
    assert found.item_table.file_rows.dtype == np.int32


def test_the_file_order_of_the_fixture_s_movies(reference_log):
    found = load(reference_log)
    table = found.item_table
    order = np.argsort(table.file_rows)[np.sort(table.file_rows).searchsorted(0) :].tolist()
    lines = (reference_log / "movies.dat").read_text("latin-1").splitlines()
    rows = zip(
        *([column[i] for i in order] for column in (found.item_ids, table.titles, found.item_features["genres"])),
        strict=True,
    )
    assert [f"{item}::{title}::{'|'.join(genres)}" for item, title, genres in rows] == lines


def test_user_tables_of_movielens_that_are_none(write):
    folder = write("ml/ratings.dat", "7::30::5::100\n2::20::4::100\n").parent
    write("ml/users.dat", "7\n2\n")
    found = load(folder)
    assert found.user_features.width == 0
    assert any(note.startswith("users.dat: left out") for note in found.report.notes)
    assert load(folder, DatasetSpec(users=None)).report.notes == ()
    write("ml/more.csv", "who,team\n2,red\n")
    named = load(folder, DatasetSpec(users=UsersSpec(path="more.csv", id="who")))
    assert named.user_features.to_dict(as_series=False) == {"team": [None, "red"]}


def test_options_apply(reference_log):
    spec = DatasetSpec(mapping=Mapping(rating=None, timestamp=None), items=ItemsSpec(title=None))
    interactions = load(reference_log, spec)
    assert interactions.ratings is None
    assert interactions.timestamps is None
    assert set(interactions.item_table.titles) == {None}
    assert interactions.item_table.attributes[0] == ("Western", "Children's", "Drama")
    assert load(reference_log, DatasetSpec(items=None)).item_table is None
    bare = load(reference_log, DatasetSpec(items=ItemsSpec(categories=None)))
    assert bare.item_features.columns == ["year"]


def test_faults_in_the_log_and_in_the_movie_table(write):
    write("ml/ratings.dat", "1::10::5::100\n1::11::5\n2::11::x::100\n2::10::1::\n")
    folder = write("ml/movies.dat", "10::A::Drama\n11::B\n::C::Drama\n").parent
    with pytest.raises(DatasetInvalid) as caught:
        load(folder)
    assert caught.value.report.rejected == {
        "ragged": 1,
        "rating_invalid": 1,
        "timestamp_missing": 1,
        "items.ragged": 1,
        "items.item_missing": 1,
    }
    files = {(example["file"], example["line"]) for example in caught.value.report.examples}
    assert files == {("ratings.dat", 2), ("ratings.dat", 3), ("ratings.dat", 4), ("movies.dat", 2), ("movies.dat", 3)}
    assert caught.value.message.startswith("ratings.dat line 2: 3 fields; expected 4: user,item,rating,timestamp")


def test_not_movielens(write):
    with pytest.raises(DatasetInvalid, match="expected user"):
        load(write("x/u.data", "1\t2\t3\n"))
    with pytest.raises(DatasetUnreadable, match=r"u\.data, ratings\.dat or ratings\.csv"):
        load(write("y/other.csv", "a,b\n").parent, DatasetSpec(format="movielens"))
