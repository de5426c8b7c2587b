"""The layout `reference`, as the app finds it: by position, without a batch, raw ids, nothing but its assets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from benchmarks import android_client
from benchmarks.android_client import AndroidClient
from reco_core.errors import ConfigInvalid
from reco_core.examples import FeatureTable, ItemAttribute, Vocabulary
from reco_core.export import operators
from reco_core.export.assets import app_items, write_assets

HISTORY, PREDICTIONS = 6, 30


def with_numbers(log):
    """The planted log with whole numbers as item ids, with gaps between them."""
    return replace(log, item_ids=tuple(str(7 * int(raw.removeprefix("item-")) + 3) for raw in log.item_ids))


@pytest.fixture(scope="module")
def app(tensorflow_runtime, planted, make_config, tmp_path_factory):
    """`(config, example set, trained Keras model, path of the float32 file, folder of assets)`."""
    from reco_core import examples, export, model, training

    folder = tmp_path_factory.mktemp("reference")
    config = make_config(
        "cnn",
        repeats=True,
        training={"max_epochs": 3},
        export={"layout": "reference", "top_k": PREDICTIONS, "variants": ["float32"], "default_variant": "float32"},
    )
    example_set = examples.generate(config, with_numbers(planted))
    built = model.build(config, example_set.vocabulary)
    found = training.train(config, built, example_set, checkpoints=folder, identity="reference")
    files = export.export(config, found.model, example_set.vocabulary, folder / "files")
    path = files.variants["float32"].path
    items = app_items(config, example_set.vocabulary, {})
    write_assets(folder / "assets", config, example_set.vocabulary, items, path)
    return config, example_set, found.model, path, folder / "assets"


def test_the_app_binds_what_the_file_has(app):
    path, assets = app[3:]
    details = Interpreter(model_path=str(path)).get_input_details()
    assert [(d["name"].split(":")[0], d["shape"].tolist(), d["dtype"]) for d in details] == [
        ("serving_default_context_movie_id", [HISTORY], np.int32)
    ]
    config = json.loads((assets / "config.json").read_text())
    assert config == {
        "model": f"recommendation_cnn_i{HISTORY}o{PREDICTIONS}.tflite",
        "inputs": [{"name": "movieFeature", "index": 0, "inputLength": HISTORY}],
        "movieList": "sorted_movie_vocab.json",
        "topK": 10,
        "outputLength": PREDICTIONS,
        "outputIdsIndex": config["outputIdsIndex"],
        "outputScoresIndex": 1 - config["outputIdsIndex"],
    }
    assert (assets / config["model"]).read_bytes() == path.read_bytes()
    assert {entry.name for entry in assets.iterdir()} == {config["model"], "config.json", "sorted_movie_vocab.json"}


def test_the_signature_is_the_originals(app):
    runner = Interpreter(model_path=str(app[3])).get_signature_runner("serving_default")
    assert set(runner.get_input_details()) == {"context_movie_id"}
    found = {name: (d["dtype"], d["shape"].tolist()) for name, d in runner.get_output_details().items()}
    assert found == {
        "top_prediction_ids": (np.int32, [PREDICTIONS]),
        "top_prediction_scores": (np.float32, [PREDICTIONS]),
    }


def test_only_built_in_operations(app):
    model = schema.Model.GetRootAs(app[3].read_bytes())
    codes = {model.OperatorCodes(i).BuiltinCode() for i in range(model.OperatorCodesLength())}
    assert schema.BuiltinOperator.CUSTOM not in codes
    assert {"GATHER", "TOPK_V2", "LOGISTIC"} <= set(operators(app[3]))


@pytest.mark.parametrize("chosen", [[], [4], [0, 1, 2], [9, 33, 5, 20, 41, 7], list(range(11, 30))])
def test_the_app_shows_what_the_trained_model_ranks(app, chosen):
    _, example_set, model, _, assets = app
    client = AndroidClient(assets)
    selected = [client.movies[place] for place in chosen]
    raw = [int(name) for name in example_set.vocabulary.item_ids[1:]]
    index = {number: place for place, number in enumerate(raw, start=1)}

    history = np.zeros((1, HISTORY), np.int32)
    first = [index[movie.id] for movie in selected][:HISTORY]  # the app passes the first, not the newest
    history[0, : len(first)] = first
    scores = np.array(model.scores({"history": history}))[0]
    order = np.argsort(-scores, kind="stable")
    expected = [raw[place] for place in order[:PREDICTIONS] if raw[place] not in {movie.id for movie in selected}][:10]

    results = client.recommend(selected)
    assert [result.id for result in results] == expected
    confidences = [result.confidence for result in results]
    assert confidences == sorted(confidences, reverse=True)
    assert all(0 < confidence < 1 for confidence in confidences)
    assert np.allclose(confidences, [1 / (1 + np.exp(-scores[index[number] - 1])) for number in expected], atol=1e-4)
    assert not {result.movie.id for result in results} & {movie.id for movie in selected}


def test_movies_are_listed_by_falling_count(app):
    _, example_set, _, _, assets = app
    movies = json.loads((assets / "sorted_movie_vocab.json").read_text(encoding="utf-8"))
    assert len(movies) == example_set.vocabulary.size
    assert [movie["count"] for movie in movies] == sorted((movie["count"] for movie in movies), reverse=True)
    number = (movies[0]["id"] - 3) // 7
    assert movies[0]["title"] == f"Título {number}"
    assert movies[0]["genres"] == [f"genre {number % 5}", *(["long"] if number % 3 == 0 else [])]
    assert all(type(movie["id"]) is int and type(movie["count"]) is int for movie in movies)


def test_without_repeats_the_file_itself_leaves_out_what_was_chosen(app, tmp_path):
    from reco_core import export

    config, example_set, model, _, _ = app
    config = config.model_copy(update={"repeats": False})
    path = export.export(config, model, example_set.vocabulary, tmp_path / "files").variants["float32"].path
    runner = Interpreter(model_path=str(path)).get_signature_runner("serving_default")
    chosen = [int(example_set.vocabulary.item_ids[place]) for place in (3, 8, 1)]
    history = np.array([*chosen, 0, 0, 0], np.int32)
    ids = runner(context_movie_id=history)["top_prediction_ids"].tolist()
    assert len(ids) == PREDICTIONS
    assert not {0, *chosen} & set(ids)


# --- with genres ---

GENRE_LENGTH = 8


@pytest.fixture(scope="module", params=["bow", "rnn"])
def app_with_genres(request, tensorflow_runtime, planted, make_config, tmp_path_factory):
    """`(example set, trained Keras model, path, folder of assets)`; one genre is out of the model's vocabulary."""
    from reco_core import examples, export, model, training

    folder = tmp_path_factory.mktemp("genres")
    feature = {
        "type": "string",
        "name": "context_movie_genre",
        "column": "genres",
        "layout": "flat",
        "length": GENRE_LENGTH,
        "vocabulary_size": 5,
    }
    group = {"features": [feature], "encoder": {"type": request.param}}
    config = make_config(
        "cnn",
        repeats=True,
        features={"activity_groups": [group]},
        training={"max_epochs": 2},
        export={"layout": "reference", "top_k": PREDICTIONS, "variants": ["float32"], "default_variant": "float32"},
    )
    example_set = examples.generate(config, with_numbers(planted))
    features = example_set.timelines.features
    built = model.build(config, example_set.vocabulary, features)
    found = training.train(config, built, example_set, checkpoints=folder, identity="reference")
    path = export.export(config, found.model, example_set.vocabulary, folder / "files").variants["float32"].path
    items = app_items(config, example_set.vocabulary, features)
    write_assets(folder / "assets", config, example_set.vocabulary, items, path)
    return example_set, found.model, path, folder / "assets"


def test_genres_are_a_second_input_without_a_gap(app_with_genres):
    _, _, path, assets = app_with_genres
    details = Interpreter(model_path=str(path)).get_input_details()
    assert sorted((d["name"].split(":")[0], d["shape"].tolist()) for d in details) == [
        ("serving_default_context_movie_genre", [GENRE_LENGTH]),
        ("serving_default_context_movie_id", [HISTORY]),
    ]
    config = json.loads((assets / "config.json").read_text())
    assert config["model"] == f"recommendation_cnn_i{HISTORY}i{GENRE_LENGTH}o{PREDICTIONS}.tflite"
    assert config["genreList"] == "movie_genre_vocab.txt"
    assert [one["index"] for one in config["inputs"]] == [0, 1]
    names = {"movieFeature": "context_movie_id", "genreFeature": "context_movie_genre"}
    for one in config["inputs"]:
        detail = details[one["index"]]
        assert names[one["name"]] in detail["name"]
        assert [one["inputLength"]] == detail["shape"].tolist()
    lines = (assets / "movie_genre_vocab.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "UNK"
    assert lines[1] == "long"  # 20 movies; the others have 12 each
    assert sorted(lines[2:]) == [f"genre {number}" for number in range(5)]


def selections(movies):
    """Names of the cases and what the user chose in each."""
    many = movies[5:20]
    bare = [replace(movie, genres=[]) for movie in movies[3:5]]
    strange = [replace(movies[7], genres=["no such genre", *movies[7].genres]), movies[2]]
    return {"none": [], "one": movies[:1], "many": many, "without genres": bare, "unknown genre": strange}


@pytest.mark.parametrize("case", ["none", "one", "many", "without genres", "unknown genre"])
def test_with_genres_the_app_shows_what_the_trained_model_ranks(app_with_genres, case):
    example_set, model, _, assets = app_with_genres
    client = AndroidClient(assets)
    selected = selections(client.movies)[case]
    vocabulary = example_set.vocabulary
    raw = [int(name) for name in vocabulary.item_ids[1:]]
    words = example_set.timelines.features["context_movie_genre"].vocabulary
    assert [line for line in client.genres if line not in words] == ["UNK", "genre 4"]

    history = [raw.index(movie.id) + 1 for movie in selected][:HISTORY]
    # what the app passes of the genres, cut off before unknown ones fall away
    genres = [genre for movie in selected for genre in movie.genres][:GENRE_LENGTH]
    known = [words.index(genre) if genre in words else 1 for genre in genres if genre != "no such genre"]
    inputs = {
        "history": np.array([history + [0] * (HISTORY - len(history))], np.int32),
        "context_movie_genre": np.array([known + [0] * (GENRE_LENGTH - len(known))], np.int32),
    }
    scores = np.array(model.scores(inputs))[0]
    chosen = {movie.id for movie in selected}
    order = np.argsort(-scores, kind="stable")[:PREDICTIONS]
    expected = [raw[place] for place in order if raw[place] not in chosen][:10]
    # copies of movies are other movies to the app, which then shows them again
    shown = [result.id for result in client.recommend(selected) if result.id not in chosen]
    assert len(shown) >= 8
    assert shown == expected[: len(shown)]


def test_genres_change_what_is_recommended(app_with_genres):
    client = AndroidClient(app_with_genres[3])
    movie = client.movies[0]
    other = replace(movie, genres=["genre 4", "genre 3"] if "genre 4" not in movie.genres else ["genre 1", "genre 2"])
    found = [client.run(client.preprocess([one]))[1].tolist() for one in (movie, other)]
    assert found[0] != found[1]


# --- what the assets hold, without a model ---

GENRE_TABLE = FeatureTable(
    "movie_genres",
    "item",
    np.array([2, 3, 1, 3], np.int32),
    np.array([0, 0, 2, 3, 4, 4]),
    32,
    vocabulary=("<pad>", "<oov>", "Drama", "War"),
    table_rows=4,
    layout="flat",
)
ATTRIBUTE = ItemAttribute(
    "genres",
    ("<pad>", "War", "Drama", "Film\nNoir"),
    np.array([0, 0, 2, 3, 4, 4]),
    np.array([2, 1, 3, 1], np.int32),
)
VOCABULARY = Vocabulary(
    ("<pad>", "50", "7", "9", "8"), np.array([0, 9, 4, 4, 0]), (None, "A", None, "C", "D"), ATTRIBUTE
)


def genres_config(make_config, column: str):
    feature = {"type": "string", "name": "movie_genres", "column": column, "layout": "flat"}
    return make_config(export={"layout": "reference"}, features={"activity_groups": [{"features": [feature]}]})


def test_genres_are_lines_of_a_list_and_indices_of_the_model(make_config):
    items = app_items(genres_config(make_config, "genres"), VOCABULARY, {"movie_genres": GENRE_TABLE})
    assert items.genres == ((), ("Drama", "War"), ("Film Noir",), ("War",), ())
    assert items.genre_input is not None
    assert items.genre_input.lines == ("UNK", "War", "Drama", "Film Noir")
    # the model knows Drama as 2, War as 3, and Film Noir only as something out of its vocabulary
    assert items.genre_input.indices.tolist() == [0, 3, 2, 1]
    assert items.genre_input.length == 32


def test_genres_of_another_column_come_from_the_feature(make_config):
    items = app_items(genres_config(make_config, "kinds"), VOCABULARY, {"movie_genres": GENRE_TABLE})
    # what is out of the model's vocabulary has a line, so that the app passes it as the model was trained with it
    assert items.genres == ((), ("Drama", "War"), ("<oov>",), ("War",), ())
    assert items.genre_input is not None
    assert items.genre_input.lines == ("UNK", "War", "Drama", "<oov>")
    assert items.genre_input.indices.tolist() == [0, 3, 2, 1]
    passed = items.form.to_file(
        {"history": np.array([[1]], np.int32), "movie_genres": np.array([[3, 1, 2, 0]], np.int32)}
    )
    assert passed["context_movie_genre"].tolist() == [1, 3, 2, 0]


def test_the_apps_genres_are_the_features_where_the_attribute_leaves_some_out(make_config):
    # as with MovieLens' `(no genres listed)`, and with a genre that an item has twice
    table = replace(
        GENRE_TABLE,
        values=np.array([2, 2, 1, 1, 4, 3], np.int32),
        offsets=np.array([0, 0, 4, 5, 6, 6]),
        vocabulary=("<pad>", "<oov>", "Drama", "War", "(no genres listed)"),
        table_rows=5,
    )
    attribute = ItemAttribute(
        "genres",
        ("<pad>", "War", "Drama", "Rare", "UNK"),
        np.array([0, 0, 3, 3, 4, 4]),
        np.array([2, 4, 3, 1], np.int32),
    )
    items = app_items(
        genres_config(make_config, "genres"), replace(VOCABULARY, attribute=attribute), {"movie_genres": table}
    )
    assert items.genres == ((), ("Drama", "Drama", "Rare", "<oov>"), ("(no genres listed)",), ("War",), ())
    assert items.genre_input is not None
    assert items.genre_input.lines == ("UNK", "Drama", "Rare", "<oov>", "(no genres listed)", "War")
    assert items.genre_input.indices.tolist() == [0, 2, 1, 1, 4, 3]


@pytest.mark.parametrize("words", [("Film\u00a0Noir", "Film Noir"), ("UNK", "War"), ("Drama", "seen nowhere")])
def test_genres_without_a_line_of_their_own_are_refused(make_config, words):
    values = np.array([2, 2, 2, 2] if "seen nowhere" in words else [2, 3, 1, 3], np.int32)
    table = replace(GENRE_TABLE, vocabulary=("<pad>", "<oov>", *words), values=values)
    with pytest.raises(ConfigInvalid, match="no line of its own for") as caught:
        app_items(genres_config(make_config, "kinds"), VOCABULARY, {"movie_genres": table})
    assert caught.value.errors[0].pointer == "/features/activity_groups/0/features/0"
    assert caught.value.errors[0].code == "genre_without_line"


def test_genres_of_interactions_are_refused(make_config):
    table = replace(GENRE_TABLE, scope="interaction")
    with pytest.raises(ConfigInvalid, match="knows items only") as caught:
        app_items(genres_config(make_config, "genres"), VOCABULARY, {"movie_genres": table})
    assert caught.value.errors[0].pointer == "/features/activity_groups/0/features/0"


def test_ids_that_are_no_numbers_are_refused(make_config):
    vocabulary = replace(VOCABULARY, item_ids=("<pad>", "50", "7", "9", "x"))
    with pytest.raises(ConfigInvalid, match="whole numbers") as caught:
        app_items(make_config(export={"layout": "reference"}), vocabulary, {})
    assert caught.value.errors[0].pointer == "/export/layout"


def test_genre_lines_go_by_count_and_then_by_first_appearance(make_config):
    # c b, b a, a, d
    table = replace(
        GENRE_TABLE,
        values=np.array([4, 3, 3, 2, 2, 5], np.int32),
        offsets=np.array([0, 0, 2, 4, 5, 6]),
        vocabulary=("<pad>", "<oov>", "a", "b", "c", "d"),
        table_rows=6,
    )
    items = app_items(genres_config(make_config, "kinds"), VOCABULARY, {"movie_genres": table})
    assert items.genre_input is not None
    assert items.genre_input.lines == ("UNK", "b", "a", "c", "d")


@pytest.mark.parametrize(
    ("config", "said"),
    [({"inputs": []}, "without inputs"), ({"inputs": [{"name": "genreFeature", "index": 0}]}, "genreList")],
)
def test_the_client_is_as_strict_as_the_app(tmp_path: Path, config, said):
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=said):
        AndroidClient(tmp_path)
    with pytest.raises(SystemExit, match="doesn't hold an app's assets"):
        android_client.main([str(tmp_path)])
    with pytest.raises(SystemExit, match=r"FileNotFoundError.*; give the folder of a bundle"):
        android_client.main([str(tmp_path / "nothing")])


def test_the_client_says_which_movie_it_does_not_know(app):
    with pytest.raises(SystemExit, match=r"no movie has the id 'abc'"):
        android_client.main([str(app[4]), "--select", "abc"])


def test_the_client_refuses_arrays_of_another_shape(app):
    client = AndroidClient(app[4])
    with pytest.raises(ValueError, match="the model takes"):
        client.run([np.zeros((1, HISTORY), np.int32)])
    with pytest.raises(ValueError, match="passes 2 arrays"):
        client.run([np.zeros(HISTORY, np.int32)] * 2)
