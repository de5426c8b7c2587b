"""Example sets built by hand, so that evaluation is tested apart from the stages before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from reco_core.examples import Examples, ExampleSet, Timelines, Vocabulary

Build = Callable[..., ExampleSet]


def build(sequences: Sequence[Sequence[int]], timestamps: Sequence[Sequence[int]] | None = None) -> ExampleSet:
    """A leave-one-out example set of users' raw item numbers, each user having at least three."""
    lengths = np.array([len(sequence) for sequence in sequences])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    raw = np.concatenate([np.asarray(sequence) for sequence in sequences])
    in_training = np.ones(len(raw), bool)
    in_training[offsets[1:] - 1] = in_training[offsets[1:] - 2] = False
    names = np.unique(raw)
    counts = np.array([np.count_nonzero(raw[in_training] == name) for name in names])
    order = np.lexsort((names, -counts))
    index = np.zeros(int(raw.max()) + 1, np.int32)
    index[names[order]] = np.arange(1, len(names) + 1)
    items = index[raw]
    users = np.arange(len(sequences), dtype=np.int32)
    positions = np.arange(len(raw))
    is_label = in_training & ~np.isin(positions, offsets[:-1])
    timelines = Timelines(
        offsets=offsets,
        items=items,
        timestamps=None if timestamps is None else np.concatenate([np.asarray(times) for times in timestamps]),
        seen_offsets=offsets,
        seen_items=items,
        seen_before=positions.astype(np.int64),
        user_ids=tuple(str(user) for user in users),
    )
    return ExampleSet(
        protocol="leave_one_out",
        vocabulary=Vocabulary(
            item_ids=("<pad>", *(str(name) for name in names[order])),
            counts=np.concatenate([[0], counts[order]]).astype(np.int64),
            titles=(None,) * (len(names) + 1),
            attribute=None,
        ),
        timelines=timelines,
        train=Examples(np.repeat(users, lengths)[is_label].astype(np.int32), positions[is_label].astype(np.int64)),
        validation=Examples(users, offsets[1:] - 2),
        test=Examples(users, offsets[1:] - 1),
        in_training=in_training,
        dropped_users=0,
    )


@pytest.fixture
def build_set() -> Build:
    """The function `build`."""
    return build


@pytest.fixture
def random_set() -> ExampleSet:
    """90 users with 3 to 30 interactions with 41 items of very different popularity; items come up again."""
    random = np.random.default_rng(5)
    chance = 1 / np.arange(1, 42)
    chance /= chance.sum()
    lengths = random.integers(3, 31, 90)
    sequences = [random.choice(41, length, p=chance).tolist() for length in lengths]
    times = [np.sort(random.integers(0, 10_000, length)).tolist() for length in lengths]
    return build(sequences, times)
