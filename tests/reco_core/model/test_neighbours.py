"""The neighbour head's scores, beside a few lines of Python."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("tensorflow_runtime")


@pytest.fixture
def head():
    from reco_core.model import NeighbourHead

    random = np.random.default_rng(0)
    followers = random.integers(0, 31, (31, 3)).astype(np.int32)
    codes = np.where(followers > 0, random.integers(0, 128, (31, 3)), 0).astype(np.int8)
    followers[0] = codes[0] = 0
    return NeighbourHead(followers, codes, decay=0.7, scale=0.002)


def oracle(head, history) -> np.ndarray:
    scores = np.zeros((len(history), head.items + 1))
    for row, items in enumerate(history):
        real = [item for item in items if item]
        for age, item in enumerate(reversed(real)):
            for follower, code in zip(head.followers[item], head.codes[item], strict=True):
                scores[row, follower] += head.scale * head.decay**age * float(code) ** 2
    return scores


def test_followers_of_every_item_of_the_history_are_added_up(head):
    random = np.random.default_rng(1)
    history = random.integers(1, 31, (40, 6)).astype(np.int32)
    history[:, 3:] = history[:, :3]  # items come up again
    for row, length in enumerate(random.integers(0, 7, 40)):
        history[row, length:] = 0
    before = random.standard_normal((40, 31)).astype(np.float32)
    scores = before.copy()
    head.add_to(scores, history)
    np.testing.assert_allclose(scores - before, oracle(head, history), atol=1e-4)


def test_padding_adds_nothing_and_the_newest_item_counts_whole(head):
    short, padded = np.zeros((1, 31), np.float32), np.zeros((1, 31), np.float32)
    head.add_to(short, np.array([[4, 9]], np.int32))
    head.add_to(padded, np.array([[4, 9, 0, 0, 0]], np.int32))
    np.testing.assert_array_equal(short, padded)
    alone = np.zeros((1, 31), np.float32)
    head.add_to(alone, np.array([[9]], np.int32))
    assert (short >= alone).all()
    nothing = np.zeros((1, 31), np.float32)
    head.add_to(nothing, np.zeros((1, 5), np.int32))
    assert not nothing.any()


def test_codes_keep_small_strengths_apart():
    from reco_core.model import coded

    strengths = np.array([[4.0, 1.0, 0.04], [0.0, 0.002, 2.5]])
    codes, scale = coded(strengths)
    assert codes.tolist() == [[127, 64, 13], [0, 3, 100]]
    np.testing.assert_allclose(scale * np.square(codes.astype(float)), strengths, rtol=0.15)
    assert coded(np.zeros((2, 2)))[1] == 0.0
