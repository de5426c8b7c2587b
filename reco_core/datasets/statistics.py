"""The few numbers of a log that the cost of any job on it can be worked out from, without the log.

They are written into the dataset's report when it is validated. `reco_core.config.estimate` reads them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reco_core.config.estimate.workload import STATISTICS_VERSION
from reco_core.datasets.types import Interactions

MOST_THRESHOLDS = 10  # as many as half-star ratings need, so that those are exact
_EXACT_LENGTHS = 64
_GROWTH = 1.04  # longer timelines are counted together where their lengths differ by less than this


def log_statistics(interactions: Interactions) -> dict[str, Any]:
    """What `reco_core.config.estimate` wants to know of a log, as JSON.

    `timelines` has an entry for each possible `min_rating` (`null`: all rows), or for at most ten of them. Each of its
    `lengths` is `[length, users, rows, distinct, distinct_before]`: the users with timelines so long or up to 4%
    longer, their rows, the sum of their numbers of different items, and the same without each user's last two rows.
    """
    table = interactions.item_table
    order = _by_user_and_time(interactions)
    users, items = interactions.users[order], interactions.items[order]
    ratings = None if interactions.ratings is None else interactions.ratings[order]
    timelines = []
    for threshold in _thresholds(ratings):
        kept = slice(None) if threshold is None or ratings is None else ratings >= threshold
        timelines.append(
            {
                "min_rating": threshold,
                "lengths": _lengths(users[kept], items[kept], len(interactions.user_ids), len(interactions.item_ids)),
            }
        )
    attribute = None
    if table is not None and table.attribute_name is not None:
        attribute = {
            "name": table.attribute_name,
            "values": len({value for row in table.attributes for value in row}),
            "entries": sum(len(row) for row in table.attributes),
        }
    return {
        "version": STATISTICS_VERSION,
        "rows": len(interactions),
        "users": len(interactions.user_ids),
        "vocabulary": len(interactions.item_ids),
        "attribute": attribute,
        "text_bytes": _text_bytes(interactions),
        "id_bytes": sum(len(text.encode()) for text in interactions.item_ids),
        "timed": interactions.timestamps is not None,
        "lowest_rating": None if ratings is None else float(ratings.min()),
        "timelines": timelines,
    }


def _by_user_and_time(interactions: Interactions) -> NDArray[np.int64]:
    # as examples.timelines sorts; what is counted here depends on it where an item comes twice
    if interactions.timestamps is None:
        return np.argsort(interactions.users, kind="stable")
    return np.lexsort((interactions.timestamps, interactions.users))


def _thresholds(ratings: NDArray[np.float32] | None) -> list[float | None]:
    """None, and the values of `min_rating` above the lowest rating that tell rows apart, or some that stand for all."""
    if ratings is None:
        return [None]
    values = np.unique(ratings)[1:]
    if len(values) > MOST_THRESHOLDS:
        shares = np.arange(1, MOST_THRESHOLDS + 1) / MOST_THRESHOLDS
        values = np.unique(np.quantile(ratings, shares, method="higher"))
    return [None, *(float(value) for value in values)]


def _lengths(users: NDArray[np.int32], items: NDArray[np.int32], all_users: int, all_items: int) -> list[list[int]]:
    lengths = np.bincount(users, minlength=all_users)
    lengths = lengths[lengths > 0]
    ends = np.cumsum(lengths)
    first = _first_occurrences(users, items, all_items)
    seen = np.concatenate([[0], np.cumsum(first)])  # seen[p]: first occurrences before row p
    begin = ends - lengths
    distinct = seen[ends] - seen[begin]
    before = seen[np.maximum(ends - 2, begin)] - seen[begin]
    buckets = _bucket(lengths)
    found = []
    for bucket in np.unique(buckets):
        member = buckets == bucket
        sums = (lengths[member].sum(), distinct[member].sum(), before[member].sum())
        found.append([int(lengths[member].min()), int(member.sum()), *(int(total) for total in sums)])
    return found


def _bucket(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    above = np.log(np.maximum(lengths, _EXACT_LENGTHS) / _EXACT_LENGTHS) / np.log(_GROWTH)
    buckets: NDArray[np.int64] = np.minimum(lengths, _EXACT_LENGTHS) + above.astype(np.int64)
    return buckets


def _first_occurrences(users: NDArray[np.int32], items: NDArray[np.int32], all_items: int) -> NDArray[np.bool_]:
    """bool [rows]: whether it is the user's first row with that item."""
    keys = users.astype(np.int64) * all_items + items
    order = np.argsort(keys, kind="stable")
    first = np.ones(len(keys), np.bool_)
    first[order[1:]] = keys[order[1:]] != keys[order[:-1]]
    return first


def _text_bytes(interactions: Interactions) -> int:
    """UTF-8 bytes of all item ids, titles and attribute values, each as often as it stands in a vocabulary."""
    table = interactions.item_table
    total = sum(len(text.encode()) for text in interactions.item_ids)
    if table is not None:
        total += sum(len(title.encode()) for title in table.titles if title)
        total += sum(len(value.encode()) for row in table.attributes for value in row)
    return total
