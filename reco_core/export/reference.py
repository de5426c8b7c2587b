"""The layout `reference`: the tensors that TensorFlow's on-device recommendation example has in its files.

The app runs the first graph and passes arrays without a batch by position, so that graph's inputs are ids and, where
the model reads them, genres, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from reco_core.export.assets import AppItems
from reco_core.export.raw_ids import RawIds, packing
from reco_core.export.serving import InputSpec, ServingModule, ServingShape
from reco_core.tensor_forms import GENRES, MOVIES, SERVING_DEFAULT, SERVING_SCORE_ALL, TOP_IDS, TOP_SCORES


@dataclass(frozen=True)
class ReferenceShape(ServingShape):
    """As the app has it: no batch, one list of ids, one of genres."""

    genre_length: int | None = None

    @classmethod
    def around(cls, shape: ServingShape, genre_length: int | None) -> ReferenceShape:
        """The same numbers as the app's tensors have them."""
        return cls(**vars(shape), genre_length=genre_length)

    @property
    def app_inputs(self) -> dict[str, InputSpec]:
        """What the app passes, by name."""
        movies = {MOVIES: InputSpec(MOVIES, "int32", (self.history_length,))}
        return movies | ({GENRES: InputSpec(GENRES, "int32", (self.genre_length,))} if self.genre_length else {})

    def signatures(self) -> dict[str, Any]:
        """The signatures as the manifest states them."""
        inputs = {name: spec.as_dict() for name, spec in self.app_inputs.items()}
        return {
            SERVING_DEFAULT: {
                "inputs": inputs,
                "outputs": {
                    TOP_IDS: {"dtype": "int32", "shape": [self.top_k]},
                    TOP_SCORES: {"dtype": "float32", "shape": [self.top_k]},
                },
                "history_length": self.history_length,
                "top_k": self.top_k,
                "exclude_ids": 0,
                "repeats": self.repeats,
                "empty_slot": {"id": 0, "score": 0.0},
            },
            SERVING_SCORE_ALL: {
                "inputs": inputs,
                "outputs": {"scores": {"dtype": "float32", "shape": [self.items]}},
            },
        }


class ReferenceModule(tf.Module):
    """The default layout's graph behind the app's tensors."""

    def __init__(self, serving: ServingModule, shape: ReferenceShape, items: AppItems) -> None:
        super().__init__(name="reference")
        self.serving = serving
        self.ids = RawIds(items.numbers)
        self._shape = shape
        self._genre_input = items.genre_input
        self._genre_indices = None if items.genre_input is None else tf.constant(items.genre_input.indices)

    def signatures(self) -> Mapping[str, Any]:
        """Concrete functions by name."""
        specs = {name: spec.tensor_spec() for name, spec in self._shape.app_inputs.items()}
        functions = {SERVING_DEFAULT: self.serving_default, SERVING_SCORE_ALL: self.score_all}
        return {
            name: tf.function(function, autograph=False).get_concrete_function(**specs)
            for name, function in functions.items()
        }

    def serving_default(self, **inputs: Any) -> dict[str, Any]:
        """`app_inputs` -> raw ids int32 [K], best first, and the sigmoid of their scores, float32 [K]."""
        found = self.serving.recommend(**self._indexed(inputs))
        return {TOP_IDS: self.ids.raw(found["ids"][0]), TOP_SCORES: tf.sigmoid(found["scores"][0])}

    def score_all(self, **inputs: Any) -> dict[str, Any]:
        """`app_inputs` -> `scores` float32 [V] in index order, before the sigmoid, nothing excluded."""
        return {"scores": self.serving.score_all(**self._indexed(inputs))["scores"][0]}

    def _indexed(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """What the app passes -> what the model reads, with a batch of one."""
        found = {"history": _packed(self.ids.indices(inputs[MOVIES]))[None]}
        if self._genre_input is not None:
            lines = inputs[GENRES]
            inside = tf.logical_and(lines >= 0, lines < len(self._genre_input.lines))
            genres = tf.gather(self._genre_indices, tf.where(inside, lines, 0))
            found[self._genre_input.name] = _packed(genres)[None]
        return found


def _packed(indices: Any) -> Any:
    """int32 [n] -> int32 [n]: zeros go to the end, since encoders read left-aligned sequences."""
    return tf.gather(indices, packing(indices))
