"""Indices of the pipeline and words of a file, both ways."""

from __future__ import annotations

import numpy as np

from reco_core.item_numbers import ItemNumbers
from reco_core.tensor_forms import IndexForm, RawForm, ReferenceForm

NUMBERS = ItemNumbers.of(("<pad>", "50", "7", "900"), "/export/ids")
HISTORY = np.array([[3, 1, 0]], np.int32)


def test_indices_stay():
    form = IndexForm()
    inputs = {"history": HISTORY, "age": np.ones((1, 1), np.float32)}
    assert {name: value.tolist() for name, value in form.to_file(inputs).items()} == {
        name: value.tolist() for name, value in inputs.items()
    }
    assert form.ids_of({"ids": np.array([[2, 0]], np.int32)}).tolist() == [2, 0]
    assert form.scores_of({"scores": np.array([[0.5, 0.25]], np.float32)}).tolist() == [0.5, 0.25]


def test_raw_ids_stand_where_items_stand():
    form = RawForm(NUMBERS)
    found = form.to_file({"history": HISTORY, "exclude_ids": np.array([[2]]), "stars": np.array([[3, 1, 0]])})
    assert {name: value.tolist() for name, value in found.items()} == {
        "history": [[900, 50, 0]],
        "exclude_ids": [[7]],
        "stars": [[3, 1, 0]],
    }
    assert form.ids_of({"ids": np.array([[7, 900, 0]], np.int32)}).tolist() == [2, 3, 0]


def test_the_app_has_no_batch_and_lines_of_genres():
    form = ReferenceForm(NUMBERS, "movie_genres", np.array([0, 3, 2, 1, 1], np.int32))
    found = form.to_file({"history": HISTORY, "movie_genres": np.array([[2, 3, 1, 0]], np.int32)})
    assert found["context_movie_id"].tolist() == [900, 50, 0]
    assert found["context_movie_genre"].tolist() == [2, 1, 3, 0]
    assert set(ReferenceForm(NUMBERS).to_file({"history": HISTORY})) == {"context_movie_id"}
    assert form.file_values({"movie_genres": [3, 1]}) == {"movie_genres": [1, 3]}
    assert form.model_values({"movie_genres": [1, 3, 4]}) == {"movie_genres": [3, 1, 1]}
    assert form.file_values({"movie_genres": []}) == form.model_values({"movie_genres": []}) == {"movie_genres": []}
    plain = {"year": [4]}
    assert IndexForm().file_values(plain) == IndexForm().model_values(plain) == plain
    outputs = {
        "top_prediction_ids": np.array([7, 0], np.int32),
        "top_prediction_scores": np.array([0.5, 0], np.float32),
    }
    assert form.ids_of(outputs).tolist() == [2, 0]
    assert form.scores_of(outputs).tolist() == [0.5, 0.0]
    assert form.scores_of({"scores": np.array([3.0, -1.0, 2.0], np.float32)}).tolist() == [3.0, -1.0, 2.0]


def test_what_is_out_of_the_vocabulary_is_unknown_where_no_genre_is():
    form = ReferenceForm(NUMBERS, "movie_genres", np.zeros(1, np.int32))
    found = form.to_file({"history": HISTORY, "movie_genres": np.array([[1, 0]], np.int32)})
    assert found["context_movie_genre"].tolist() == [0, 0]
