"""The graph that runs on the phone: three signatures around one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from reco_core.bundled_features import describe_one
from reco_core.config import JobConfig
from reco_core.examples import FeatureTable
from reco_core.export.item_table import FloatTable, ItemTable, rows_and_biases
from reco_core.export.neighbours import NeighbourTable
from reco_core.model import DualEncoder, NeighbourHead

EMPTY_SCORE = -3.4e38  # of an empty slot; close to the lowest float32, and finite

_NONE: Mapping[str, FeatureTable] = MappingProxyType({})


@dataclass(frozen=True)
class InputSpec:
    """A tensor that the app passes."""

    name: str
    dtype: Literal["int32", "float32"]
    shape: tuple[int, ...]  # with the batch of one
    about: Mapping[str, Any] = field(default_factory=dict)  # what the manifest says besides

    @classmethod
    def of_feature(cls, table: FeatureTable, history_length: int) -> InputSpec:
        """The input of a feature: indices, or quantities as they are."""
        shape = (1, *table.window_shape(history_length))
        return cls(table.name, "float32" if table.is_float else "int32", shape, describe_one(table))

    @property
    def stands_beside_items(self) -> bool:
        """Whether position i belongs to the item at position i of the history."""
        return self.about.get("layout") == "aligned" and self.about["scope"] != "user"

    def as_dict(self) -> dict[str, Any]:
        """As the manifest states it."""
        return {"dtype": self.dtype, "shape": list(self.shape), **self.about}

    def tensor_spec(self) -> Any:
        """As TensorFlow has it."""
        return tf.TensorSpec(self.shape, self.dtype, name=self.name)


@dataclass(frozen=True)
class ServingShape:
    """The numbers that the signatures' shapes are made of."""

    items: int  # V
    history_length: int  # L
    top_k: int  # K, at most V
    exclude_ids: int  # E
    repeats: bool
    features: tuple[InputSpec, ...] = ()

    @classmethod
    def of(cls, config: JobConfig, items: int, features: Mapping[str, FeatureTable] = _NONE) -> ServingShape:
        """What `config` asks for on a vocabulary of `items` items, of a model that reads `features`."""
        export, length = config.export, config.export_history_length
        specs = tuple(InputSpec.of_feature(table, length) for table in features.values())
        return cls(items, length, min(export.top_k, items), export.exclude_ids, config.repeats, specs)

    @property
    def inputs(self) -> dict[str, InputSpec]:
        """What describes a user to the model, by name: the history, then the features."""
        history = InputSpec("history", "int32", (1, self.history_length))
        return {spec.name: spec for spec in (history, *self.features)}

    @property
    def recommend_inputs(self) -> dict[str, InputSpec]:
        """`inputs`, and what is to be left out."""
        excluded = InputSpec("exclude_ids", "int32", (1, self.exclude_ids))
        return self.inputs | ({excluded.name: excluded} if self.exclude_ids else {})

    @property
    def candidates(self) -> int:
        """How many to fetch so that K are left when history and excluded ids are taken out."""
        return min(self.top_k + (0 if self.repeats else self.history_length) + self.exclude_ids, self.items)

    def signatures(self) -> dict[str, Any]:
        """The signatures as the manifest states them."""
        lists = {
            "ids": {"dtype": "int32", "shape": [1, self.top_k]},
            "scores": {"dtype": "float32", "shape": [1, self.top_k]},
        }
        return {
            "recommend": {
                "inputs": {name: spec.as_dict() for name, spec in self.recommend_inputs.items()},
                "outputs": lists,
                "history_length": self.history_length,
                "top_k": self.top_k,
                "exclude_ids": self.exclude_ids,
                "repeats": self.repeats,
                "empty_slot": {"id": 0, "score": EMPTY_SCORE},
            },
            "score_all": {
                "inputs": {name: spec.as_dict() for name, spec in self.inputs.items()},
                "outputs": {"scores": {"dtype": "float32", "shape": [1, self.items]}},
            },
        }


class ServingModule(tf.Module):
    """Inference with a batch of one. It tracks variables, not the Keras model, which would bring its own signature."""

    def __init__(
        self,
        model: DualEncoder,
        shape: ServingShape,
        head: NeighbourHead | None = None,
        items: ItemTable | None = None,
    ) -> None:
        """Of a model and what is added to its scores; `items` is its table in another form than float32."""
        super().__init__(name="pocketrec")
        self.neighbours = None if head is None else NeighbourTable(head, shape.history_length)
        self.items = items or FloatTable(*rows_and_biases(model))
        self.tracked = [variable.value for variable in model.variables]
        self._encode = model.encode
        self._shape = shape

    def signatures(self) -> Mapping[str, Any]:
        """Concrete functions by name."""
        shape = self._shape
        functions = {
            "recommend": (self.recommend, shape.recommend_inputs),
            "score_all": (self.score_all, shape.inputs),
            "encode_context": (self.encode_context, shape.inputs),
        }
        return {
            name: tf.function(function, autograph=False).get_concrete_function(
                **{spec.name: spec.tensor_spec() for spec in inputs.values()}
            )
            for name, (function, inputs) in functions.items()
        }

    def encode_context(self, **inputs: Any) -> dict[str, Any]:
        """`shape.inputs` -> `context` float32 [1, dim]."""
        return {"context": self._context(inputs)}

    def score_all(self, **inputs: Any) -> dict[str, Any]:
        """`shape.inputs` -> `scores` float32 [1, V] in index order, nothing excluded."""
        return {"scores": self._scores(inputs)}

    def recommend(self, exclude_ids: Any = None, **inputs: Any) -> dict[str, Any]:
        """`shape.recommend_inputs` -> `ids` int32 [1, K] and `scores` float32 [1, K], best first."""
        shape = self._shape
        values, positions = tf.math.top_k(self._scores(inputs), k=shape.candidates)
        ids = positions + 1
        banned = [] if shape.repeats else [inputs["history"]]
        if exclude_ids is not None:
            banned.append(exclude_ids)
        if banned:
            # over-fetch, compare, take the best of what is left: cheaper than a scatter over all items
            hit = tf.equal(ids[:, :, None], tf.concat(banned, axis=1)[:, None, :])  # [1, candidates, L + E]
            excluded = tf.reduce_any(hit, axis=2)
            values = _emptied(values, excluded)
            ids = tf.where(excluded, 0, ids)
            values, kept = tf.math.top_k(values, k=shape.top_k)
            ids = tf.gather(ids, kept, batch_dims=1)
        return {"ids": ids, "scores": values}

    def _context(self, inputs: Mapping[str, Any]) -> Any:
        return self._encode(self.items.rows(inputs["history"]), inputs)

    def _scores(self, inputs: Mapping[str, Any]) -> Any:
        added = None if self.neighbours is None else self.neighbours.scores(inputs["history"])
        return self.items.scores(self._context(inputs), added)


def _emptied(values: Any, excluded: Any) -> Any:
    """`EMPTY_SCORE` where `excluded`. By way of integers: the float16 variant would round the constant to -65504."""
    bits = int(np.float32(EMPTY_SCORE).view(np.int32))
    return tf.bitcast(tf.where(excluded, bits, tf.bitcast(values, tf.int32)), tf.float32)
