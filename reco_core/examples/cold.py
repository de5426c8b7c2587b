"""Items that training is kept from, to see what their attributes alone are worth: the cold-item protocol.

A cold item's interactions are neither label nor context in training, and still count as seen. Held-out interactions
stay where they are: a test label may be cold, and so may the interactions that a split holds out before it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reco_core.config import JobConfig
from reco_core.datasets.types import Interactions
from reco_core.errors import ConfigInvalid, FieldError
from reco_core.examples.split import SplitResult
from reco_core.examples.timelines import RawTimelines
from reco_core.examples.types import Examples

_LOT = 4  # what tells this draw from the others that are made with the config's seed


def cold_codes(config: JobConfig, interactions: Interactions) -> NDArray[np.int64]:
    """Codes of the items that training is kept from: `evaluation.cold_items` of those with interactions, by lot.

    Raises:
        ConfigInvalid: they have no attribute that a row could be made of.
    """
    share = config.evaluation.cold_items
    if share == 0:
        return np.zeros(0, np.int64)
    table = interactions.item_table
    if table is None or table.attribute_name is None or config.model.item_attribute is None:
        why = (
            "model.item_attribute is null"
            if config.model.item_attribute is None
            else "the dataset has no item table with a multi-valued attribute, such as genres"
        )
        detail = f"a cold item is ranked by its attributes, and {why}; set cold_items to 0, or give items attributes"
        raise ConfigInvalid(detail, [FieldError("/evaluation/cold_items", "no_item_attribute", detail)])
    there = np.flatnonzero(np.bincount(interactions.items, minlength=len(interactions.item_ids)))
    drawn = np.random.default_rng([config.seed, _LOT]).permutation(there)
    return np.sort(drawn[: round(len(there) * share)])


def without_cold(raw: RawTimelines, split: SplitResult, cold: NDArray[np.int64]) -> tuple[RawTimelines, SplitResult]:
    """The same timelines and split, less what training would have learned of cold items; `seen_codes` stays whole."""
    if len(cold) == 0:
        return raw, split
    # timeline a b c d e, held out d e; b and d cold -> a c d e: d is a context of the test label, b is none of c
    kept = ~(split.in_training & np.isin(raw.codes, cold))
    position = np.cumsum(kept) - 1  # where what is kept stands now
    before = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
    offsets = before[raw.offsets]
    train = _moved(split.train, kept, position)
    first = np.isin(train.labels, offsets[:-1])  # its context was cold altogether
    return (
        replace(
            raw,
            offsets=offsets,
            codes=raw.codes[kept],
            rows=raw.rows[kept],
            timestamps=None if raw.timestamps is None else raw.timestamps[kept],
            seen_before=raw.seen_before[kept],
        ),
        replace(
            split,
            train=Examples(train.users[~first], train.labels[~first]),
            validation=_moved(split.validation, kept, position),
            test=_moved(split.test, kept, position),
            in_training=split.in_training[kept],
        ),
    )


def _moved(examples: Examples, kept: NDArray[np.bool_], position: NDArray[np.int64]) -> Examples:
    there = kept[examples.labels]
    return Examples(examples.users[there], position[examples.labels[there]].astype(np.int64))
