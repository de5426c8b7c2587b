"""Which interactions are labels of which split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reco_core.errors import DatasetTooSmall
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


def temporal(offsets: NDArray[np.int64], timestamps: NDArray[np.int64], fraction: float) -> SplitResult:
    """One cut in time for everybody: what comes after it is test, as much before it is validation, the rest training.

    Every held-out interaction but a user's first is a label, with everything before it as context: a phone recommends
    at each of these moments, and knows what its user did since the model was made. Intervals are over users, so that
    one who did much after the cut is still one user.

    Args:
        timestamps: [interactions].
        fraction: of the interactions, for each of test and validation, as nearly as equal times allow, which stay
            together.

    Raises:
        DatasetTooSmall: fewer than three different times.
    """
    # times 1 2 3 4 4 5, fraction .3: training 1 2, validation 3, test 4 4 5 (two would split the fours)
    validation_from, test_from = time_cuts(timestamps, fraction)
    is_label = np.ones(len(timestamps), bool)
    is_label[offsets[:-1]] = False
    in_training, in_test = timestamps < validation_from, timestamps >= test_from
    return SplitResult(
        train=_examples(offsets, np.flatnonzero(is_label & in_training)),
        validation=_examples(offsets, np.flatnonzero(is_label & ~in_training & ~in_test)),
        test=_examples(offsets, np.flatnonzero(is_label & in_test)),
        in_training=in_training,
    )


def time_cuts(timestamps: NDArray[np.int64], fraction: float) -> tuple[int, int]:
    """The first time of validation and the first time of test, under the protocol `temporal`.

    Raises:
        DatasetTooSmall: fewer than three different times.
    """
    times, counts = np.unique(timestamps, return_counts=True)
    if len(times) < 3:
        raise DatasetTooSmall(
            f"the protocol temporal cuts the log twice in time, and it has only {len(times)} different timestamps; "
            "map a column with finer times, or take the protocol leave_one_out or user_disjoint"
        )
    before = np.cumsum(counts) - counts  # interactions before each of the times
    wanted = len(timestamps) * fraction
    test = _nearest(before, 2, len(times), len(timestamps) - wanted)
    validation = _nearest(before, 1, test, before[test] - wanted)
    return int(times[validation]), int(times[test])


def _nearest(values: NDArray[np.int64], begin: int, end: int, wanted: float) -> int:
    """The index in begin..end-1 whose value is nearest; of two equally near, the later."""
    distance = np.abs(values[begin:end] - wanted)
    return end - 1 - int(np.argmin(distance[::-1]))


def user_disjoint(offsets: NDArray[np.int64], fraction: float, seed: int) -> SplitResult:
    """Users drawn by lot are held out wholly: their last item is the label, everything before it the context.

    Args:
        fraction: of the users, for each of test and validation; at least one user each.

    Raises:
        DatasetTooSmall: nobody would be left to learn from.
    """
    users = len(offsets) - 1
    held_out = max(1, round(users * fraction))
    if 2 * held_out >= users:
        raise DatasetTooSmall(
            f"the protocol user_disjoint holds out {held_out} of {users} users for test and as many for validation, "
            "which leaves nobody to learn from; give a log of more users or lower evaluation.test_fraction"
        )
    drawn = np.random.default_rng([seed, 5]).permutation(users).astype(np.int32)
    test, validation = np.sort(drawn[:held_out]), np.sort(drawn[held_out : 2 * held_out])
    learned_from = np.ones(users, bool)
    learned_from[drawn[: 2 * held_out]] = False
    in_training = np.repeat(learned_from, np.diff(offsets))
    is_label = in_training.copy()
    is_label[offsets[:-1]] = False
    return SplitResult(
        train=_examples(offsets, np.flatnonzero(is_label)),
        validation=Examples(validation, offsets[validation + 1] - 1),
        test=Examples(test, offsets[test + 1] - 1),
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
