"""Bundles in the layout `reference` and with raw ids, from log to answers."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.android_client import AndroidClient
from reco_core.errors import ConfigInvalid
from reco_core.export import reproduces
from reco_core.recommending import recommend
from reco_core.tensor_forms import form_of_bundle


@pytest.fixture(scope="module")
def numbered(planted):
    """The planted log with whole numbers as item ids, with gaps between them."""
    return replace(planted, item_ids=tuple(str(7 * int(raw.removeprefix("item-")) + 3) for raw in planted.item_ids))


@pytest.fixture(scope="module")
def make_bundle(tensorflow_runtime, numbered, make_config, tmp_path_factory):
    """`make_bundle(**sections) -> folder of a bundle`, its work folder beside it as `work`."""
    from reco_core import pipeline

    def make(**sections):
        folder = tmp_path_factory.mktemp("bundle")
        (folder / "work").mkdir()
        config = make_config("cnn", training={"max_epochs": 4}, **sections)
        pipeline.run(config, numbered, folder / "bundle", work=folder / "work")
        return folder / "bundle"

    return make


@pytest.fixture(scope="module")
def reference_bundle(make_bundle):
    return make_bundle(
        repeats=True,
        evaluation={"protocol": "reference"},
        export={"layout": "reference", "top_k": 30, "saved_model": True},
    )


def read(folder, name):
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_the_bundle_holds_the_apps_assets(reference_bundle):
    manifest = read(reference_bundle, "manifest.json")
    assert (manifest["layout"], manifest["ids"]) == ("reference", "raw")
    paths = {entry["path"] for entry in manifest["files"]}
    assert {path for path in paths if path.startswith("assets/")} == {
        "assets/config.json",
        "assets/recommendation_cnn_i6o30.tflite",
        "assets/sorted_movie_vocab.json",
    }
    sums = {entry["path"]: entry["sha256"] for entry in manifest["files"]}
    assert sums["assets/recommendation_cnn_i6o30.tflite"] == sums["model.tflite"]
    assert set(manifest["signatures"]) == {"serving_default", "serving_score_all"}
    assert manifest["signatures"]["serving_default"]["inputs"] == {"context_movie_id": {"dtype": "int32", "shape": [6]}}


def test_every_variant_is_judged_and_its_golden_vectors_hold(reference_bundle):
    report, golden = read(reference_bundle, "report.json"), read(reference_bundle, "golden.json")
    assert report["variants"].keys() == {"float32", "float16", "dynamic_int8"}
    assert report["variants"]["float32"]["refused"] is report["variants"]["float16"]["refused"] is None
    assert report["test"]["ndcg@10"]["value"] > report["baselines"]["popular"]["ndcg@10"]["value"]
    form = form_of_bundle(reference_bundle)
    for name, variant in golden["variants"].items():
        path = reference_bundle / "variants" / f"{name}.tflite"
        assert reproduces(path, variant["cases"], form=form)
        for case in variant["cases"]:
            assert set(case["inputs"]) == {"context_movie_id"}
            assert {raw % 7 for raw in case["ids"]} == {3}  # raw ids
            assert all(0 < score < 1 for score in case["scores"])


def test_the_app_and_the_command_give_the_same_answers(reference_bundle):
    client = AndroidClient(reference_bundle / "assets")
    selected = client.movies[4:7]
    shown = [result.id for result in client.recommend(selected)]
    answer = recommend(reference_bundle, [str(movie.id) for movie in selected], 30)
    chosen = {movie.id for movie in selected}
    ids = [int(item["id"]) for item in answer["recommendations"]]
    assert [number for number in ids if number not in chosen][: len(shown)] == shown
    assert len(shown) == 10


def test_the_saved_model_stands_beside_and_not_in_the_bundle(tensorflow_runtime, reference_bundle):
    import tensorflow as tf

    assert not list(reference_bundle.rglob("saved_model*"))
    work = reference_bundle.parent / "work"
    with zipfile.ZipFile(work / "saved_model.zip") as archive:
        archive.extractall(work / "unpacked")
    signature = tf.saved_model.load(str(work / "unpacked")).signatures["serving_default"]
    client = AndroidClient(reference_bundle / "assets")
    (history,) = client.preprocess(client.movies[2:5])
    ids, scores = client.run([history])
    found = signature(context_movie_id=tf.constant(history))
    assert np.allclose(found["top_prediction_scores"].numpy(), scores, atol=2e-3)  # the file is float16
    assert found["top_prediction_ids"].numpy()[0] == ids[0]


def test_with_genres_the_app_and_the_command_give_the_same_answers(make_bundle):
    feature = {"type": "string", "name": "context_movie_genre", "column": "genres", "layout": "flat", "length": 8}
    folder = make_bundle(
        repeats=True,
        features={"activity_groups": [{"features": [feature]}]},
        export={"layout": "reference", "top_k": 30},
    )
    report, golden = read(folder, "report.json"), read(folder, "golden.json")
    assert report["variants"]["float32"]["refused"] is report["variants"]["float16"]["refused"] is None
    form = form_of_bundle(folder)
    for name, variant in golden["variants"].items():
        assert reproduces(folder / "variants" / f"{name}.tflite", variant["cases"], form=form)
        assert {len(case["inputs"]["context_movie_genre"]) for case in variant["cases"]} == {8}
    client = AndroidClient(folder / "assets")
    assert set(client.genres) == {"UNK", "long", *(f"genre {number}" for number in range(5))}
    for places in ([0], [4, 5, 6], [9, 2, 30, 11, 7, 1]):
        selected = [client.movies[place] for place in places]
        chosen = {movie.id for movie in selected}
        shown = [result.id for result in client.recommend(selected)]
        answer = recommend(folder, [str(movie.id) for movie in selected], 30)
        ids = [int(item["id"]) for item in answer["recommendations"]]
        assert [number for number in ids if number not in chosen][: len(shown)] == shown
    # the manifest names the list whose lines an app passes, and items.json has these lines
    about = read(folder, "manifest.json")["features"]["context_movie_genre"]
    assert (about["vocabulary"], about["out_of_vocabulary"]) == ("assets/movie_genre_vocab.txt", 0)
    assert (folder / about["model_vocabulary"]).is_file()
    lines = (folder / about["vocabulary"]).read_text(encoding="utf-8").split("\n")
    for item in read(folder, "items.json"):
        assert [lines[line] for line in item["features"]["context_movie_genre"]] == item["genres"]


def test_movies_without_genres_are_of_a_genre_as_in_the_original(tensorflow_runtime, tmp_path):
    """`(no genres listed)`, `UNK` and genres that differ in their blanks, from a folder in MovieLens' present form."""
    from reco_core import pipeline
    from reco_core.config import load
    from reco_core.datasets import DatasetSpec
    from reco_core.datasets import load as load_log
    from reco_core.evaluating import evaluate_again

    data = tmp_path / "ml-latest-small"
    data.mkdir()
    random = np.random.default_rng(0)
    ratings = [
        f"{user},{movie + 1},{random.integers(1, 6)}.0,{1000 + time}"
        for user in range(1, 40)
        for time, movie in enumerate(random.permutation(24)[:8])
    ]
    genres = ["Drama|Sci  Fi", "(no genres listed)", "Sci Fi|UNK", "Noir|Drama", "UNK", "Drama"]
    movies = [f"{movie + 1},T{movie} (1999),{genres[movie % 6]}" for movie in range(24)]
    (data / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *ratings]) + "\n")
    (data / "movies.csv").write_text("\n".join(["movieId,title,genres", *movies]) + "\n")
    log = load_log(data, DatasetSpec())
    config = load(
        {
            "preset": "reference",
            "training": {"max_epochs": 1},
            "model": {"embedding_dim": 8},
            "export": {"variants": ["float32"], "default_variant": "float32"},
            "evaluation": {"bootstrap_samples": 100},
        }
    )
    (tmp_path / "work").mkdir()
    folder = tmp_path / "bundle"
    pipeline.run(config, log, folder, work=tmp_path / "work")
    client = AndroidClient(folder / "assets")

    assert set(client.genres) == {"UNK", "Drama", "Sci Fi", "(no genres listed)", "Noir"}
    by_id = {movie.id: movie.genres for movie in client.movies}
    assert [by_id[number] for number in range(1, 7)] == [
        ["Drama", "Sci Fi"],
        ["(no genres listed)"],
        ["Sci Fi"],
        ["Noir", "Drama"],
        [],
        ["Drama"],
    ]
    again = evaluate_again(folder, log, tmp_path / "again")
    assert again["test"]["ndcg@10"] == read(folder, "report.json")["test"]["ndcg@10"]


@pytest.mark.slow
def test_the_preset_makes_what_the_app_loads_of_a_movielens_folder(tensorflow_runtime, reference_log, tmp_path):
    from reco_core import pipeline
    from reco_core.config import load
    from reco_core.datasets import DatasetSpec
    from reco_core.datasets import load as load_log

    log = load_log(reference_log, DatasetSpec())
    (tmp_path / "work").mkdir()
    config = load({"preset": "reference", "training": {"max_epochs": 1}, "evaluation": {"bootstrap_samples": 100}})
    pipeline.run(config, log, tmp_path / "bundle", work=tmp_path / "work")
    assets = tmp_path / "bundle" / "assets"
    client = AndroidClient(assets)
    assert client.config["model"] == "recommendation_rnn_i10i32o100.tflite"
    lengths = {feature["name"]: feature["inputLength"] for feature in client.config["inputs"]}
    assert lengths == {"movieFeature": 10, "genreFeature": 32}
    rows = [line.split("::") for line in (reference_log / "movies.dat").read_text("latin-1").splitlines()]
    table = {int(number): (title, genres.split("|")) for number, title, genres in rows}
    assert {movie.id: (movie.title, movie.genres) for movie in client.movies} == table
    assert next(iter(client.genres)) == "UNK"
    assert set(client.genres) - {"UNK"} == {genre for _, genres in table.values() for genre in genres}
    results = client.recommend(client.movies[:12])
    assert len(results) == 10
    assert not {result.id for result in results} & {movie.id for movie in client.movies[:12]}


def test_a_bundle_with_raw_ids_answers_and_says_so(make_bundle):
    folder = make_bundle(export={"ids": "raw", "variants": ["float32"], "default_variant": "float32"})
    manifest, golden = read(folder, "manifest.json"), read(folder, "golden.json")
    assert (manifest["layout"], manifest["ids"]) == ("default", "raw")
    assert not (folder / "assets").exists()
    for case in golden["variants"]["float32"]["cases"]:
        assert {raw % 7 for raw in case["ids"]} == {3}
        assert {raw % 7 for raw in case["inputs"]["history"][0] if raw} <= {3}
    answer = recommend(folder, ["10", "45"], 5)
    found = [item["id"] for item in answer["recommendations"]]
    assert len(found) == 5
    assert not {"10", "45"} & set(found)


@pytest.mark.parametrize(
    ("export", "pointer"), [({"ids": "raw"}, "/export/ids"), ({"layout": "reference"}, "/export/layout")]
)
def test_ids_that_are_no_numbers_end_it_before_training(
    tensorflow_runtime, planted, make_config, tmp_path, export, pointer
):
    from reco_core import pipeline

    with pytest.raises(ConfigInvalid, match="'item-") as caught:
        pipeline.run(make_config(export=export), planted, tmp_path / "out", work=tmp_path)
    assert [fault.pointer for fault in caught.value.errors] == [pointer]
    assert list(tmp_path.iterdir()) == []
