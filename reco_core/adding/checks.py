"""Files of a longer model held against it without a log: on histories drawn by lot, the added items among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reco_core.adding.base import BaseBundle
from reco_core.config import JobConfig
from reco_core.errors import CheckpointMismatch
from reco_core.evaluation import Evaluation, HistoryBatch, Scorer, evaluate
from reco_core.examples import Examples, ExampleSet, FeatureTable, Timelines, Vocabulary
from reco_core.inference import FileScorer

HISTORIES = 500
_LOT = 5  # what tells this draw from the others that are made with the config's seed
_COMPARED = 50
_TOLERANCE = 1e-4  # of scores, relative to the largest, between two runtimes


def drawn_histories(
    config: JobConfig, vocabulary: Vocabulary, features: Mapping[str, FeatureTable], added: int
) -> ExampleSet:
    """Histories of no user: items by their training interactions, one in five an added one; all of it validation.

    What the model reads of users and interactions is missing, as in an app that passes none.
    """
    random = np.random.default_rng([config.seed, _LOT])
    weights = vocabulary.counts[1:] + 1.0
    if added:
        weights[-added:] = weights[:-added].sum() / (4 * added)
    most = config.export_history_length
    lengths = random.integers(1, most + 1, HISTORIES) + 1  # and the label, which nothing is made of
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    items = random.choice(vocabulary.size, int(offsets[-1]), p=weights / weights.sum()).astype(np.int32) + 1
    tables = {name: _without_values(table, HISTORIES, len(items)) for name, table in features.items()}
    timelines = Timelines(
        offsets=offsets,
        items=items,
        timestamps=None,
        seen_offsets=offsets,
        seen_items=items,
        seen_before=np.arange(len(items), dtype=np.int64),
        user_ids=tuple(map(str, range(HISTORIES))),
        features=tables,
    )
    everyone = Examples(np.arange(HISTORIES, dtype=np.int32), offsets[1:] - 1)
    nobody = Examples(everyone.users[:0], everyone.labels[:0])
    nothing = np.zeros(len(items), bool)
    return ExampleSet(
        config.evaluation.protocol, vocabulary, timelines, nobody, everyone, nobody, nothing, 0, config.features
    )


def inputs_of(histories: ExampleSet, history_length: int) -> dict[str, NDArray[Any]]:
    """The model's inputs by name."""
    return HistoryBatch.of(histories.timelines, histories.validation).inputs(history_length)


def lists_of(scorer: Scorer, histories: ExampleSet) -> Evaluation:
    """Top ten lists after the histories; their labels are nobody's, hence misses, so that only lists count."""
    nothing = np.zeros(histories.vocabulary.size + 1, bool)
    return evaluate(scorer, histories, "validation", bootstrap_samples=0, known=nothing)


def require_same_model(base: BaseBundle, longer: Scorer, histories: ExampleSet) -> None:
    """Check that the model scores the items that it knew as the bundle's float32 file does.

    Raises:
        CheckpointMismatch: it doesn't, so the weights are not those that the bundle was made of.
    """
    size = base.vocabulary.size
    known = replace(histories.timelines, items=np.where(histories.timelines.items > size, 1, histories.timelines.items))
    some = histories.validation
    batch = HistoryBatch(known, some.users[:_COMPARED], some.labels[:_COMPARED])
    with FileScorer(base.float32, form=base.form) as file:
        theirs = file(batch)[:, 1:]
    ours = longer(batch)[:, 1 : size + 1]
    if not np.abs(ours - theirs).max() <= _TOLERANCE * max(1.0, float(np.abs(theirs).max())):
        raise CheckpointMismatch(
            "the weights are not those that the bundle was made of: scores of known items differ; give best.npz, or "
            "the file of the epoch that was exported, from the folder `weights` beside the bundle"
        )


def _without_values(table: FeatureTable, users: int, interactions: int) -> FeatureTable:
    if table.scope == "item":
        return table
    rows = users if table.scope == "user" else interactions
    dtype: Any = np.float32 if table.is_float else np.int32
    values: NDArray[Any] = np.full(rows, table.fill, dtype)
    return replace(table, values=values, offsets=None)
