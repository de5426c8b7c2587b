from __future__ import annotations

import numpy as np

from reco_core.evaluation.strata import POPULARITY, popularity_of_items, strata
from reco_core.examples import ExampleSet


def test_each_third_of_the_training_interactions_is_a_group() -> None:
    counts = np.array([0, 4, 3, 2, 0])
    assert [POPULARITY[code] for code in popularity_of_items(counts)[1:]] == ["head", "mid", "tail", "cold"]


def test_groups_hold_about_a_third_of_the_mass() -> None:
    counts = np.concatenate([[0], np.sort(np.random.default_rng(0).zipf(1.5, 500).clip(max=400))[::-1], [0, 0]])
    groups = popularity_of_items(counts)
    for code in range(3):
        share = counts[groups == code].sum() / counts.sum()
        assert abs(share - 1 / 3) <= counts.max() / counts.sum()
    assert (groups[1:][counts[1:] == 0] == 3).all()
    assert (np.diff(groups[1:]) >= 0).all()


def test_history_lengths(random_set: ExampleSet) -> None:
    lengths = random_set.test.labels - random_set.timelines.offsets[random_set.test.users]
    found = strata(random_set, random_set.test)["history_length"]
    assert list(found) == ["1-5", "6-10", "11-20", "21-50"]
    for name, member in found.items():
        low, high = (int(part) for part in name.split("-"))
        assert member.tolist() == ((lengths >= low) & (lengths <= high)).tolist()
