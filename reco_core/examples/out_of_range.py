"""Numbers that are their own index and hardly ever lie where there are indices: a model learns nothing of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reco_core.examples.types import FeatureTable

_MOST = 0.5  # of the values


def out_of_range(features: Mapping[str, FeatureTable]) -> list[str]:
    """A warning for each feature of which most values lie outside its range, with their number."""
    lines = []
    for name, table in features.items():
        if table.is_float or table.vocabulary is not None or table.bounds is not None:
            continue
        # 0 is where there is no value, too
        there, outside = np.count_nonzero(table.values), np.count_nonzero(table.values == table.oov)
        if outside > _MOST * there:
            lines.append(
                f"{outside:,} of {there:,} values of the feature {name} lie outside 0 to {table.oov - 1} and are all "
                "the same to the model; raise vocabulary_size, or leave vocabulary: false out"
            )
    return lines
