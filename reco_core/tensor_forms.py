"""What stands in a file's tensors: the pipeline speaks indices and batches of one, and a file may have other words.

One form belongs to each way of exporting. With it one recommender runs, checks and evaluates all files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from reco_core.item_numbers import ItemNumbers

# Names of the layout `reference`, as TensorFlow's on-device recommendation example has them.
SERVING_DEFAULT = "serving_default"
MOVIES, GENRES = "context_movie_id", "context_movie_genre"
TOP_IDS, TOP_SCORES = "top_prediction_ids", "top_prediction_scores"
# The converter orders graphs by the names of their signatures, and the app runs the first: this one comes after it.
SERVING_SCORE_ALL = "serving_score_all"


@dataclass(frozen=True)
class IndexForm:
    """The default layout: item indices, a batch of one."""

    recommend: ClassVar[str] = "recommend"
    score_all: ClassVar[str] = "score_all"
    history: ClassVar[str] = "history"
    ids: ClassVar[str] = "ids"
    scores: ClassVar[str] = "scores"

    def to_file(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The model's inputs by name, with a batch of one -> the file's."""
        return dict(inputs)

    def features(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Examples of the file's inputs by name -> of the model's features, with a batch of one."""
        return {name: value for name, value in inputs.items() if name not in (self.history, "exclude_ids")}

    def file_values(self, features: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """An item's features by name, as the model has them -> as the file's inputs do."""
        return dict(features)

    def model_values(self, features: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """The other way round."""
        return dict(features)

    def ids_of(self, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.int32]:
        """What `recommend` gave -> int32 [K] item indices; an empty slot has 0."""
        return outputs[self.ids].reshape(-1)

    def scores_of(self, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """What a signature gave -> float32 [K] or [V]."""
        return outputs[self.scores].reshape(-1)


@dataclass(frozen=True)
class RawForm(IndexForm):
    """The default layout with raw ids."""

    numbers: ItemNumbers

    def to_file(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """`history` and `exclude_ids` as raw ids."""
        ids = {name: self.numbers.raw(inputs[name]) for name in ("history", "exclude_ids") if name in inputs}
        return {**inputs, **ids}

    def ids_of(self, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.int32]:
        """What `recommend` gave -> int32 [K] item indices; an empty slot has 0."""
        return self.numbers.indices(super().ids_of(outputs))


@dataclass(frozen=True)
class ReferenceForm(IndexForm):
    """The layout `reference`: no batch, raw ids, and genres as lines of the app's list."""

    recommend: ClassVar[str] = SERVING_DEFAULT
    score_all: ClassVar[str] = SERVING_SCORE_ALL
    history: ClassVar[str] = MOVIES
    ids: ClassVar[str] = TOP_IDS
    scores: ClassVar[str] = TOP_SCORES

    numbers: ItemNumbers
    genre_feature: str | None = None  # the model's input
    genre_indices: NDArray[np.int32] = field(default_factory=lambda: np.zeros(1, np.int32))  # [lines]

    def to_file(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The arrays that the app passes, by name."""
        found = {MOVIES: self.numbers.raw(inputs["history"][0])}
        if self.genre_feature is not None:
            found[GENRES] = self._lines[inputs[self.genre_feature][0]]
        return found

    def features(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Examples of the file's inputs by name -> of the model's features, with a batch of one."""
        return {} if self.genre_feature is None else {self.genre_feature: inputs[GENRES][None]}

    def file_values(self, features: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """An item's features by name, as the model has them -> as the file's inputs do."""
        return {name: self._lines[values].tolist() if values else [] for name, values in features.items()}

    def model_values(self, features: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """The other way round."""
        return {name: self.genre_indices[values].tolist() if values else [] for name, values in features.items()}

    def ids_of(self, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.int32]:
        """What `serving_default` gave -> int32 [K] item indices; an empty slot has 0."""
        return self.numbers.indices(super().ids_of(outputs))

    def scores_of(self, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The sigmoids of `serving_default`, or the scores of `serving_score_all`."""
        return outputs[self.scores if self.scores in outputs else "scores"].reshape(-1)

    @cached_property
    def _lines(self) -> NDArray[np.int32]:
        """[indices] the first line that the model knows as each index."""
        # lines UNK War Drama Noir, known as 0 3 2 1 -> index 0 1 2 3 has line 0 3 2 1
        # Where no item has a genre that is out of the vocabulary, 1 is as unknown to the file as it is to the app.
        lines = np.zeros(max(int(self.genre_indices.max()), 1) + 1, np.int32)
        for line in reversed(range(len(self.genre_indices))):
            lines[self.genre_indices[line]] = line
        return lines


def form_of_bundle(folder: Path) -> IndexForm:
    """How the files of a bundle are to be read, as its manifest, vocabularies and assets say.

    Raises:
        OSError, ValueError, KeyError: they are missing or damaged.
    """
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    if manifest.get("ids", "index") == "index":
        return IndexForm()
    numbers = ItemNumbers.of(_lines(folder / "vocabulary" / "items.txt"), "")
    if manifest["layout"] == "default":
        return RawForm(numbers)
    genre_list = json.loads((folder / "assets" / "config.json").read_text(encoding="utf-8")).get("genreList")
    if genre_list is None:
        return ReferenceForm(numbers)
    (group,) = manifest["config"]["features"]["activity_groups"]
    name = group["features"][0]["name"]
    known = {word: index for index, word in enumerate(_lines(folder / "vocabulary" / f"{name}.txt")) if index > 1}
    lines = _lines(folder / "assets" / genre_list)
    return ReferenceForm(numbers, name, np.array([0, *(known.get(line, 1) for line in lines[1:])], np.int32))


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
