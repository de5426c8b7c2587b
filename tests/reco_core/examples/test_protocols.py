"""The protocols that cut in time and between users, held against loops over the log."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from reco_core.config import load
from reco_core.config.estimate import workload
from reco_core.datasets import log_statistics
from reco_core.datasets.types import Interactions
from reco_core.errors import ConfigInvalid, DatasetTooSmall
from reco_core.evaluation import BASELINES, HistoryBatch
from reco_core.evaluation.strata import known_users, strata
from reco_core.examples import ExampleSet, Split, generate, split, windows


def under(protocol: str, **evaluation):
    return load({"examples": {"min_timeline_length": 1}, "evaluation": {"protocol": protocol, **evaluation}})


def pairs(found: ExampleSet, part: Split) -> list[tuple[str, str, str]]:
    """(user, context, label) in raw ids, sorted."""
    chosen, timelines = found.split(part), found.timelines
    names = np.array(found.vocabulary.item_ids)
    contexts = windows(timelines, chosen.users, chosen.labels, 99)
    return sorted(
        (timelines.user_ids[user], " ".join(names[context[context > 0]]), str(names[timelines.items[label]]))
        for user, label, context in zip(chosen.users, chosen.labels, contexts, strict=True)
    )


@pytest.fixture
def planted_times(make_log):
    """40 users who begin at different times; times are whole days, so that many are equal."""
    random = np.random.default_rng(3)
    rows = []
    for user in range(40):
        days = np.sort(int(random.integers(0, 60)) + random.integers(0, 40, int(random.integers(1, 25))))
        rows += [(f"u{user}", f"i{random.integers(0, 30)}", int(day), 5.0) for day in days]
    return make_log([rows[place] for place in random.permutation(len(rows))])


def in_time(log: Interactions) -> dict[str, list[tuple[int, str]]]:
    """Each user's (time, item), oldest first."""
    found: dict[str, list[tuple[int, str]]] = {user: [] for user in log.user_ids}
    times = log.timestamps
    assert times is not None
    for row in np.lexsort((np.arange(len(times)), times)):
        found[log.user_ids[log.users[row]]].append((int(times[row]), log.item_ids[log.items[row]]))
    return found


def test_what_comes_after_the_cut_is_held_out_whoever_did_it(make_log):
    # six interactions, a third each: times 1 2 | 3 4 | 5 6
    rows = [("u", "a", 1, 5), ("v", "c", 2, 5), ("u", "b", 3, 5), ("u", "d", 4, 5), ("w", "a", 5, 5), ("v", "b", 6, 5)]
    rows += [("u", "c", 1, 5), ("v", "a", 2, 5), ("w", "c", 6, 5)]
    found = generate(under("temporal", test_fraction=0.33), make_log(rows))
    assert found.in_training.tolist() == [True, True, False, False, True, True, False, False, False]
    assert pairs(found, "train") == [("u", "a", "c"), ("v", "c", "a")]
    assert pairs(found, "validation") == [("u", "a c", "b"), ("u", "a c b", "d")]
    # every held-out interaction is a label; w's first has nothing before it
    assert pairs(found, "test") == [("v", "c a", "b"), ("w", "a", "c")]
    assert known_users(found).tolist() == [True, True, False]
    apart = strata(found, found.test)["user"]
    assert {name: member.tolist() for name, member in apart.items()} == {"known": [True, False], "new": [False, True]}


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.2, 0.4])
def test_one_cut_in_time_as_a_loop_makes_it(planted_times, fraction):
    found = generate(under("temporal", test_fraction=fraction), planted_times)
    timelines = in_time(planted_times)
    times = sorted(time for timeline in timelines.values() for time, _ in timeline)

    def nearest(candidates, wanted):
        return max(candidates, key=lambda cut: (-abs(sum(time < cut for time in times) - wanted), cut))

    different = sorted(set(times))
    test = nearest(different[2:], len(times) * (1 - fraction))
    before = sum(time < test for time in times)
    validation = nearest([time for time in different[1:] if time < test], before - len(times) * fraction)
    expected: dict[str, list[tuple[str, str, str]]] = {"train": [], "validation": [], "test": []}
    for user, timeline in timelines.items():
        for place, (time, item) in enumerate(timeline):
            part = "train" if time < validation else "validation" if time < test else "test"
            context = [earlier for _, earlier in timeline[:place]]
            # as a label of training an item counts the first time only
            if context and not (part == "train" and item in context):
                expected[part].append((user, " ".join(context), item))
    for part in ("train", "validation", "test"):
        assert pairs(found, part) == sorted(expected[part])
    counts = Counter(item for timeline in timelines.values() for time, item in timeline if time < validation)
    assert dict(zip(found.vocabulary.item_ids[1:], found.vocabulary.counts[1:].tolist(), strict=True)) == {
        item: counts[item] for item in found.vocabulary.item_ids[1:]
    }
    assert (np.diff(found.vocabulary.counts[1:]) <= 0).all()
    share = (~found.in_training).sum() / len(found.in_training)
    assert share == pytest.approx(2 * fraction, abs=0.1)


@pytest.mark.parametrize(("protocol", "changes"), [("temporal", {}), ("user_disjoint", {"test_fraction": 0.2})])
@pytest.mark.parametrize("name", ["popular", "recent_popular", "markov", "cooccurrence", "ease"])
def test_nothing_held_out_is_learned(planted_times, name, protocol, changes):
    """With all held-out items exchanged for one another, counts and baselines stay what they were."""
    config = under(protocol, **changes)
    found = generate(config, planted_times)
    held_out = ~found.in_training
    items = found.timelines.items.copy()
    items[held_out] = np.random.default_rng(0).permutation(items[held_out])
    other = replace(found, timelines=replace(found.timelines, items=items))
    counts = np.bincount(items[other.in_training], minlength=found.vocabulary.size + 1)
    assert counts.tolist() == found.vocabulary.counts.tolist()
    # settings are chosen on validation, which differs: here on training
    first, second = (BASELINES[name](replace(one, validation=found.train)) for one in (found, other))
    asked = HistoryBatch.of(found.timelines, found.train)
    np.testing.assert_array_equal(first(asked), second(asked))


def test_equal_times_stay_on_one_side(make_log):
    rows = [(user, item, 0, 5) for user, items in (("u", "abcd"), ("v", "c")) for item in items]
    found = generate(under("temporal"), make_log([*rows, ("v", "a", 1, 5), ("v", "b", 2, 5)]))
    assert found.in_training.tolist() == [True] * 5 + [False] * 2
    times, cuts = np.array([1, 1, 1, 2, 2, 2, 3, 3, 3]), split.time_cuts
    assert cuts(times, 0.1) == (2, 3)
    assert cuts(np.array([1, 2, 3, 4, 5, 5, 5, 5, 6, 7]), 0.2) == (5, 6)
    assert cuts(np.arange(100), 0.1) == (80, 90)


def test_without_times_the_log_is_refused_with_the_remedy(make_sequences):
    log = make_sequences("u: a b c d; v: b c a", timed=False)
    for refuse in (
        lambda: generate(under("temporal"), log),
        lambda: workload(under("temporal"), {"statistics": log_statistics(log)}),
    ):
        with pytest.raises(ConfigInvalid, match="no timestamps; map a column of times, or take the protocol") as caught:
            refuse()
        assert (caught.value.errors[0].pointer, caught.value.errors[0].code) == (
            "/evaluation/protocol",
            "no_timestamps",
        )


@pytest.mark.parametrize(
    ("text", "protocol", "said"),
    [
        ("u: a b; v: c d", "temporal", "only 2 different timestamps"),
        ("u: a b c", "temporal", "no training example is left; before the cut"),
        ("u: a b c; v: b c", "user_disjoint", "holds out 1 of 2 users"),
        ("u: a a; v: b b; w: c c", "user_disjoint", "no training example is left; at least one user"),
        ("u: a; v: b; w: c", "user_disjoint", "has 2 interactions"),
    ],
)
def test_logs_too_small_say_what_the_protocol_needs(make_sequences, text, protocol, said):
    with pytest.raises(DatasetTooSmall, match=said):
        generate(under(protocol), make_sequences(text))


def test_users_are_held_out_wholly(planted_times):
    config = under("user_disjoint", test_fraction=0.2)
    found = generate(config, planted_times)
    users, timelines = found.timelines.users, in_time(planted_times)
    held = {part: set(found.split(part).users.tolist()) for part in ("train", "validation", "test")}
    assert len(held["test"]) == len(held["validation"]) == round(0.2 * users)
    assert not held["test"] & held["validation"]
    assert not (held["test"] | held["validation"]) & held["train"]
    owners = np.repeat(np.arange(users), np.diff(found.timelines.offsets))
    held_out = np.isin(owners, sorted(held["test"] | held["validation"]))
    assert (found.in_training == ~held_out).all()
    for part in ("validation", "test"):
        for user, context, label in pairs(found, part):
            assert [*context.split(), label] == [item for _, item in timelines[user]]
    assert list(strata(found, found.test)["user"]) == ["new"]


def test_who_is_held_out_goes_by_the_seed_of_the_split_alone(planted_times):
    document = {"evaluation": {"protocol": "user_disjoint"}}
    tested = [
        generate(load({"evaluation": {**document["evaluation"], **changes}, "seed": seed}), planted_times).test
        for seed, changes in ((0, {}), (7, {}), (0, {"split_seed": 7}))
    ]
    assert tested[0].users.tolist() == tested[1].users.tolist()
    assert tested[0].users.tolist() != tested[2].users.tolist()


@pytest.mark.parametrize("protocol", ["temporal", "user_disjoint"])
def test_estimates_count_what_is_made(planted_times, protocol):
    config = under(protocol, test_fraction=0.15)
    made, found = generate(config, planted_times), workload(config, {"statistics": log_statistics(planted_times)})
    assert found is not None
    assert found.users == made.timelines.users
    if protocol == "user_disjoint":
        assert (found.validation, found.test) == (len(made.validation), len(made.test))
    for counted, part in ((found.train, made.train), (found.validation, made.validation), (found.test, made.test)):
        assert counted == pytest.approx(len(part), rel=0.35)
    guessed = workload(config, {"users": 40, "items": 30, "rows": {"accepted": len(planted_times)}})
    assert guessed is not None
    assert min(guessed.train, guessed.validation, guessed.test) > 0
