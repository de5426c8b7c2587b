"""Runs an exported file, as a phone would: LiteRT alone, no TensorFlow."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from reco_core.evaluation import HistoryBatch
from reco_core.tensor_forms import IndexForm


class Recommender:
    """One loaded `.tflite` file. Not for use by two threads at once."""

    def __init__(self, path: Path, threads: int = 1, form: IndexForm | None = None) -> None:
        """Load `path`; `form` is how its tensors are to be read, by default as those of the default layout."""
        self._form = form or IndexForm()
        self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
        self._recommend = self._interpreter.get_signature_runner(self._form.recommend)
        self._score_all = self._interpreter.get_signature_runner(self._form.score_all)
        inputs = self._recommend.get_input_details()
        self.history_length = int(inputs[self._form.history]["shape"][-1])
        self.exclude_ids = int(inputs["exclude_ids"]["shape"][1]) if "exclude_ids" in inputs else 0
        self._types = {name: about["dtype"] for name, about in inputs.items()}
        examples = {name: _empty(about["shape"], about["dtype"]) for name, about in inputs.items()}
        # what stands where a feature has no value, by name, without a batch: 0, and of quantities NaN
        self.features = {name: value[0] for name, value in self._form.features(examples).items()}

    def recommend(
        self,
        history: NDArray[np.int32],
        exclude: NDArray[np.int32] | None = None,
        features: Mapping[str, NDArray[Any]] | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Best items for a history.

        Args:
            history: int32 [n] item indices, oldest first; the newest L are used.
            exclude: int32 [m] further item indices to leave out; the last E are used.
            features: values by name, of the shape that `self.features` has or shorter; the rest counts as missing.

        Returns:
            int32 [K] item indices, best first, and their float32 [K] scores; an empty slot has id 0.
        """
        outputs = self.run(self.tensors(history, exclude, features))
        return self._form.ids_of(outputs), self._form.scores_of(outputs)

    def tensors(
        self,
        history: NDArray[np.int32],
        exclude: NDArray[np.int32] | None = None,
        features: Mapping[str, NDArray[Any]] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """What the file is given for these arguments of `recommend`, by name."""
        inputs = self._inputs(left_aligned(history, self.history_length), features or {})
        if self.exclude_ids:
            inputs["exclude_ids"] = left_aligned(
                np.empty(0, np.int32) if exclude is None else exclude, self.exclude_ids
            )
        return self._form.to_file(inputs)

    def typed(self, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Inputs of the file as JSON has them -> tensors of the types that it takes."""
        return {name: np.array(value, self._types[name]) for name, value in inputs.items()}

    def run(self, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The file's own answer to its own inputs."""
        return dict(self._recommend(**tensors))

    def score_all(
        self, history: NDArray[np.int32], features: Mapping[str, NDArray[Any]] | None = None
    ) -> NDArray[np.float32]:
        """int32 [L] left-aligned, and features as in `recommend` -> float32 [V] scores in index order."""
        return self._form.scores_of(self._score_all(**self._form.to_file(self._inputs(history[None], features or {}))))

    def _inputs(self, history: NDArray[np.int32], features: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        filled = {name: _filled(features.get(name), empty)[None] for name, empty in self.features.items()}
        return {"history": history, **filled}


def left_aligned(history: NDArray[np.int32], length: int) -> NDArray[np.int32]:
    """int32 [n] -> int32 [1, length]: the newest `length`, oldest first, 0 after the last."""
    # 5 6 7 in 2 -> 6 7; 5 in 3 -> 5 0 0
    newest = np.asarray(history, np.int32)[-length:]
    padded = np.zeros((1, length), np.int32)
    padded[0, : len(newest)] = newest
    return padded


def _empty(shape: NDArray[np.integer], dtype: Any) -> NDArray[Any]:
    return np.full(tuple(shape), np.nan if np.issubdtype(dtype, np.floating) else 0, dtype)


def _filled(values: NDArray[Any] | None, empty: NDArray[Any]) -> NDArray[Any]:
    """`values` where they are, and `empty` around them."""
    # 3 5 in 0 0 0 -> 3 5 0
    if values is None or values.shape == empty.shape:
        return empty if values is None else values.astype(empty.dtype)
    result = empty.copy()
    result[tuple(slice(size) for size in values.shape)] = values
    return result


class FileScorer:
    """Scores histories with the signature `score_all` of a file: an `evaluation.Scorer`.

    One interpreter per thread; LiteRT lets go of the interpreter lock while it computes.
    """

    def __init__(self, path: Path, workers: int = 1, form: IndexForm | None = None) -> None:
        self._path = path
        self._form = form
        self._workers = workers
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="litert") if workers > 1 else None
        self._history_length = self._recommender().history_length

    def __call__(self, batch: HistoryBatch) -> NDArray[np.float32]:
        """float32 [batch, V + 1]; column 0 stands for padding."""
        inputs = batch.inputs(self._history_length)
        if self._pool is None:
            return self._scores(inputs)
        bounds = np.array_split(np.arange(len(batch)), self._workers)
        parts = [{name: values[rows] for name, values in inputs.items()} for rows in bounds]
        return np.concatenate(list(self._pool.map(self._scores, parts)))

    def close(self) -> None:
        """Stop the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def __enter__(self) -> FileScorer:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _scores(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        recommender = self._recommender()
        history = inputs["history"]
        used = {name: inputs[name] for name in recommender.features}
        rows = [
            recommender.score_all(history[row], {name: values[row] for name, values in used.items()})
            for row in range(len(history))
        ]
        if not rows:
            return np.empty(
                (0, len(recommender.score_all(np.zeros(recommender.history_length, np.int32))) + 1), np.float32
            )
        return np.pad(np.stack(rows), [(0, 0), (1, 0)])

    def _recommender(self) -> Recommender:
        if not hasattr(self._local, "recommender"):
            self._local.recommender = Recommender(self._path, form=self._form)
        recommender: Recommender = self._local.recommender
        return recommender
