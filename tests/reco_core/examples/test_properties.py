"""Random logs against an oracle that loops over rows in plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import hypothesis.strategies as st
import numpy as np
from hypothesis import example, given

from reco_core.config import JobConfig, load
from reco_core.datasets.types import Interactions, LoadReport
from reco_core.errors import DatasetTooSmall
from reco_core.examples import Examples, generate, seen_pairs, windows

ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 7), st.integers(0, 6), st.integers(1, 5)), min_size=1, max_size=80
)
CONFIGS = st.builds(
    lambda repeats, min_rating, least, length: load(
        {
            "repeats": repeats,
            "examples": {"min_rating": min_rating, "min_timeline_length": least, "max_history_length": length},
        }
    ),
    st.booleans(),
    st.sampled_from([None, 3.0]),
    st.integers(3, 5),
    st.integers(1, 6),
)


@dataclass
class Oracle:
    """(user, context, label, seen before) of each split, in raw ids."""

    train: list = field(default_factory=list)
    validation: list = field(default_factory=list)
    test: list = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)


def expect(config: JobConfig, rows: list[tuple[int, int, int, int]]) -> Oracle:
    least = config.examples.min_rating
    timelines = defaultdict(list)
    for user, item, _, rating in sorted(rows, key=lambda row: row[2]):  # sorted() is stable
        timelines[user].append((item, least is None or rating >= least))
    found = Oracle()
    for user in timelines:
        everything = timelines[user]
        liked = [place for place, (_, good) in enumerate(everything) if good]
        if len(liked) < config.examples.min_timeline_length:
            continue
        sequence = [everything[place][0] for place in liked]
        found.counts.update(sequence[:-2])
        for at, label in enumerate(sequence):
            context = sequence[:at][-config.examples.max_history_length :]
            example = (f"u{user}", context, label, [item for item, _ in everything[: liked[at]]])
            if at == len(sequence) - 1:
                found.test.append(example)
            elif at == len(sequence) - 2:
                found.validation.append(example)
            elif at > 0 and (config.repeats or label not in sequence[:at]):
                found.train.append(example)
    return found


def log_from(rows: list[tuple[int, int, int, int]]) -> Interactions:
    users, items = list(dict.fromkeys(row[0] for row in rows)), list(dict.fromkeys(row[1] for row in rows))
    return Interactions(
        users=np.array([users.index(row[0]) for row in rows], np.int32),
        items=np.array([items.index(row[1]) for row in rows], np.int32),
        timestamps=np.array([row[2] for row in rows], np.int64),
        ratings=np.array([row[3] for row in rows], np.float32),
        user_ids=tuple(f"u{user}" for user in users),
        item_ids=tuple(str(item) for item in items),
        item_table=None,
        report=LoadReport("csv", {}, False, len(rows), len(rows), {}, (), len(users), len(items)),
    )


@given(CONFIGS, ROWS)
def test_splits_contexts_and_seen_items_are_the_oracles(config, rows):
    expected = expect(config, rows)
    items = {row[1] for row in rows}
    try:
        found = generate(config, log_from(rows))
    except DatasetTooSmall:
        sequences = [example[1] + [example[2]] for example in expected.test]
        assert not expected.train or len({item for sequence in sequences for item in sequence}) < 2
        return
    timelines = found.timelines
    raw = [int(name) for name in found.vocabulary.item_ids[1:]]
    assert raw == sorted(items, key=lambda item: (-expected.counts[item], item))
    assert found.vocabulary.counts[1:].tolist() == [expected.counts[item] for item in raw]
    by_index = np.array([-1, *raw])
    for split in ("train", "validation", "test"):
        examples = found.split(split)
        contexts = windows(timelines, examples.users, examples.labels, config.examples.max_history_length)
        seen_rows, seen_items = seen_pairs(timelines, examples)
        got = [
            (
                timelines.user_ids[user],
                by_index[contexts[row][contexts[row] > 0]].tolist(),
                int(by_index[timelines.items[label]]),
                by_index[seen_items[seen_rows == row]].tolist(),
            )
            for row, (user, label) in enumerate(zip(examples.users, examples.labels, strict=True))
        ]
        assert sorted(got) == sorted(getattr(expected, split))
        # left-aligned: nothing but padding after the first padding
        assert (np.diff((contexts > 0).astype(int), axis=1) <= 0).all()
    held_out = np.concatenate([found.validation.labels, found.test.labels])
    assert sorted(np.flatnonzero(~found.in_training)) == sorted(held_out)


@given(CONFIGS, ROWS, st.integers(0, 9))
def test_any_position_has_its_window(config, rows, length_more):
    try:
        timelines = generate(config, log_from(rows)).timelines
    except DatasetTooSmall:
        return
    length = 1 + length_more
    users = np.repeat(np.arange(timelines.users), np.diff(timelines.offsets) + 1).astype(np.int32)
    bounds = zip(timelines.offsets[:-1], timelines.offsets[1:], strict=True)
    ends = np.concatenate([np.arange(begin, end + 1) for begin, end in bounds])  # beyond the last item too
    found = windows(timelines, users, ends, length)
    assert (found.dtype, found.shape) == (np.int32, (len(users), length))
    for row, (user, end) in enumerate(zip(users, ends, strict=True)):
        own = timelines.items[timelines.offsets[user] : end][-length:].tolist()
        assert found[row].tolist() == own + [0] * (length - len(own))


# 13 pairs, of which .75 are ten, not nine: rounded, as `lots` says
@example([(0, item % 8, item, 3) for item in range(14)], 0, 0.75)
@given(ROWS, st.integers(0, 3), st.floats(0.05, 0.95))
def test_reference_takes_every_pair_once(rows, seed, fraction):
    config = load(
        {
            "repeats": True,
            "seed": seed,
            "evaluation": {"protocol": "reference"},
            "examples": {"train_data_fraction": fraction},
        }
    )
    try:
        found = generate(config, log_from(rows))
    except DatasetTooSmall:
        return
    offsets = found.timelines.offsets
    every = np.setdiff1d(np.arange(offsets[-1]), offsets[:-1])
    parts = [found.train, found.validation, found.test]
    assert sorted(np.concatenate([part.labels for part in parts])) == every.tolist()
    assert len(found.test) == len(every) - round(len(every) * fraction)
    for part in parts:
        assert_users_match(part, offsets)
    held_out = np.concatenate([found.validation.labels, found.test.labels])
    assert np.array_equal(np.flatnonzero(~found.in_training), np.sort(held_out))


def assert_users_match(part: Examples, offsets: np.ndarray) -> None:
    assert (offsets[part.users] < part.labels).all()
    assert (part.labels < offsets[part.users + 1]).all()
