"""Which interactions are labels of which split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reco_core.examples.types import Examples

# Enough for a standard error of NDCG@10 under .003, and cheap to rank after every epoch.
MOST_REFERENCE_VALIDATION = 10_000


@dataclass(frozen=True)
class SplitResult:
    """The examples of each split and the interactions that may be learned from."""

    train: Examples
    validation: Examples
    test: Examples
    in_training: NDArray[np.bool_]  # [interactions]


def leave_one_out(offsets: NDArray[np.int64]) -> SplitResult:
    """Each timeline's last item is the test label, the one before it the validation label, all else is training."""
    # timeline a b c d e: train b, c (contexts a; a b), validation d, test e
    users = len(offsets) - 1
    rows = np.arange(users, dtype=np.int32)
    ends = offsets[1:]
    in_training = np.ones(int(offsets[-1]), bool)
    in_training[ends - 1] = False
    in_training[ends - 2] = False
    is_label = in_training.copy()
    is_label[offsets[:-1]] = False
    return SplitResult(
        train=_examples(offsets, np.flatnonzero(is_label)),
        validation=Examples(rows, ends - 2),
        test=Examples(rows, ends - 1),
        in_training=in_training,
    )


def reference(offsets: NDArray[np.int64], train_fraction: float, seed: int) -> SplitResult:
    """The original toolkit's split: pairs at random, so that a user's own later pairs may be in training.

    Validation pairs are taken out of the training share; the original has none.
    """
    is_label = np.ones(int(offsets[-1]), bool)
    is_label[offsets[:-1]] = False
    labels, train_count = lots(np.flatnonzero(is_label), train_fraction, seed)
    validation_count = min(len(labels) - train_count, train_count // 10, MOST_REFERENCE_VALIDATION)
    held_out = labels[train_count - validation_count :]
    in_training = np.ones(len(is_label), bool)
    in_training[held_out] = False
    return SplitResult(
        train=_examples(offsets, np.sort(labels[: train_count - validation_count])),
        validation=_examples(offsets, np.sort(held_out[:validation_count])),
        test=_examples(offsets, np.sort(held_out[validation_count:])),
        in_training=in_training,
    )


def lots(labels: NDArray[np.int64], train_fraction: float, seed: int) -> tuple[NDArray[np.int64], int]:
    """The labels in the order drawn, and how many of them, from the first on, are the training share.

    Rounded as the original rounds, not cut off: .29 of 100 labels are 29, which as a float are 28.999999999999996.
    """
    drawn = np.random.default_rng([seed, 1]).permutation(labels)
    return drawn, round(len(drawn) * train_fraction)


def _examples(offsets: NDArray[np.int64], labels: NDArray[np.int64]) -> Examples:
    owners = np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(offsets))
    return Examples(owners[labels], labels)
