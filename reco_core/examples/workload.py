"""What a job has to do, counted from the examples themselves: the estimate's arithmetic then has no guess in it."""

from __future__ import annotations

import numpy as np

from reco_core.config import JobConfig
from reco_core.config.estimate import Workload
from reco_core.datasets.types import Interactions
from reco_core.examples.types import ExampleSet


def measured_workload(config: JobConfig, interactions: Interactions, example_set: ExampleSet) -> Workload:
    """The workload of a job on examples that are there already."""
    vocabulary, table = example_set.vocabulary, interactions.item_table
    attribute = vocabulary.attribute if config.model.item_attribute is not None else None
    texts = [*vocabulary.item_ids, *(title or "" for title in vocabulary.titles)]
    values = [value for row in table.attributes for value in row] if table is not None else []
    return Workload(
        rows=len(interactions),
        users=example_set.timelines.users,
        dropped_users=example_set.dropped_users,
        interactions=int(np.int64(example_set.timelines.offsets[-1])),
        vocabulary=vocabulary.size,
        attribute_values=0 if attribute is None else len(attribute.values) - 1,
        attribute_entries=0 if attribute is None else len(attribute.indices),
        train=len(example_set.train),
        validation=len(example_set.validation),
        test=len(example_set.test),
        exact=True,
        text_bytes=sum(len(text.encode()) for text in (*texts, *values)),
        id_bytes=sum(len(raw.encode()) for raw in vocabulary.item_ids[1:]),
        feature_rows={name: table.table_rows for name, table in example_set.timelines.features.items()},
    )
