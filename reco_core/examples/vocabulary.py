"""Raw ids in index order, and the item table rearranged to it."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from reco_core.datasets.types import Interactions, ItemTable
from reco_core.examples.types import ItemAttribute, Vocabulary

PAD = "<pad>"


def build_vocabulary(
    interactions: Interactions, counts: NDArray[np.int64], last: NDArray[np.int64] | None = None
) -> tuple[Vocabulary, NDArray[np.int32]]:
    """The vocabulary of all items of the dataset, and the index of each item code.

    Args:
        counts: [item codes] training interactions.
        last: item codes that come after all others, in order of raw ids among themselves; none has such interactions.

    Returns:
        The vocabulary, and int32 [item codes] indices from 1.
    """
    place = -counts
    if last is not None:
        place[last] = 1
    order = np.lexsort((rank_of_raw_ids(interactions.item_ids), place))
    index = np.empty(len(order), np.int32)
    index[order] = np.arange(1, len(order) + 1, dtype=np.int32)
    table = interactions.item_table
    vocabulary = Vocabulary(
        item_ids=(PAD, *(interactions.item_ids[code] for code in order)),
        counts=np.concatenate([[0], counts[order]]).astype(np.int64),
        titles=(None, *(table.titles[code] if table else None for code in order)),
        attribute=_attribute(table, order),
    )
    return vocabulary, index


def rank_of_raw_ids(ids: tuple[str, ...]) -> NDArray[np.int64]:
    """Position of each id in the order of raw ids: by number when all are integers, else by code point."""
    try:
        keys = [int(raw) for raw in ids]
        numeric = all(str(key) == raw for key, raw in zip(keys, ids, strict=True))
    except ValueError:
        numeric = False
    order = sorted(range(len(ids)), key=keys.__getitem__ if numeric else ids.__getitem__)
    rank = np.empty(len(ids), np.int64)
    rank[order] = np.arange(len(ids))
    return rank


def _attribute(table: ItemTable | None, order: NDArray[np.int64]) -> ItemAttribute | None:
    if table is None or table.attribute_name is None:
        return None
    rows = [table.attributes[code] for code in order]
    flat = [value for row in rows for value in row]
    # by falling number of items, then by name, like the items themselves
    ranked = sorted(Counter(flat).items(), key=lambda pair: (-pair[1], pair[0]))
    index = {value: position for position, (value, _) in enumerate(ranked, start=1)}
    lengths = [0, 0, *(len(row) for row in rows)]
    return ItemAttribute(
        name=table.attribute_name,
        values=(PAD, *(value for value, _ in ranked)),
        offsets=np.cumsum(lengths).astype(np.int64),
        indices=np.array([index[value] for value in flat], np.int32),
    )
