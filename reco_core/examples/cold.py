"""Items that training is kept from, to see what their attributes alone are worth: the cold-item protocol.

A cold item's interactions are neither label nor context in training, and still count as seen. Held-out interactions
stay where they are: a test label may be cold, and so may the interactions that a split holds out before it. Training
runs on `warm_only`, in which there are no such items at all; they join the model afterwards, as new items do.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reco_core.config import JobConfig
from reco_core.datasets.types import Interactions
from reco_core.errors import ConfigInvalid, DatasetTooSmall, FieldError
from reco_core.examples.split import SplitResult
from reco_core.examples.timelines import RawTimelines
from reco_core.examples.types import Examples, ExampleSet, Vocabulary

_LOT = 6  # what tells this draw from the others that are made with the config's seed


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


def warm_only(example_set: ExampleSet) -> ExampleSet:
    """What training is given: the same examples as if the cold items did not exist; itself where there are none.

    Raises:
        DatasetTooSmall: nothing is left to learn from, or to validate with.
    """
    from reco_core.examples.feature_tables import taken  # here: it needs Polars, which comparing does not

    count = len(example_set.cold_items)
    if count == 0:
        return example_set
    vocabulary, timelines = example_set.vocabulary, example_set.timelines
    size = vocabulary.size - count  # cold items come last
    kept, seen = timelines.items <= size, timelines.seen_items <= size
    before, seen_before = (np.concatenate([[0], np.cumsum(mask)]).astype(np.int64) for mask in (kept, seen))
    position = before[:-1]
    train, validation, test = (_moved(part, kept, position) for part in _splits(example_set))
    if len(train) == 0 or len(validation) == 0:
        raise DatasetTooSmall(
            "without the cold items nothing is left to train on or to validate with; lower evaluation.cold_items"
        )
    rows = {"item": np.arange(size + 1), "interaction": np.flatnonzero(kept)}
    return replace(
        example_set,
        vocabulary=_shortened(vocabulary, size),
        timelines=replace(
            timelines,
            offsets=before[timelines.offsets],
            items=timelines.items[kept],
            timestamps=None if timelines.timestamps is None else timelines.timestamps[kept],
            seen_offsets=seen_before[timelines.seen_offsets],
            seen_items=timelines.seen_items[seen],
            seen_before=seen_before[timelines.seen_before[kept]],
            features={
                name: taken(table, rows[table.scope]) if table.scope in rows else table
                for name, table in timelines.features.items()
            },
        ),
        train=train,
        validation=validation,
        test=test,
        in_training=example_set.in_training[kept],
        cold_items=example_set.cold_items[:0],
    )


def cold_labels(example_set: ExampleSet) -> ExampleSet:
    """The same, its test split cut down to the examples whose label is cold."""
    test = example_set.test
    cold = np.isin(example_set.timelines.items[test.labels], example_set.cold_items)
    return replace(example_set, test=Examples(test.users[cold], test.labels[cold]))


def _splits(example_set: ExampleSet) -> tuple[Examples, Examples, Examples]:
    return example_set.train, example_set.validation, example_set.test


def _shortened(vocabulary: Vocabulary, size: int) -> Vocabulary:
    attribute = vocabulary.attribute
    if attribute is not None:
        offsets = attribute.offsets[: size + 2]
        attribute = replace(attribute, offsets=offsets, indices=attribute.indices[: offsets[-1]])
    return replace(
        vocabulary,
        item_ids=vocabulary.item_ids[: size + 1],
        counts=vocabulary.counts[: size + 1],
        titles=vocabulary.titles[: size + 1],
        attribute=attribute,
    )


def _moved(examples: Examples, kept: NDArray[np.bool_], position: NDArray[np.int64]) -> Examples:
    there = kept[examples.labels]
    return Examples(examples.users[there], position[examples.labels[there]].astype(np.int64))
