"""`python -m reco_core compare`: models compared by the ranks beside their bundles."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reco_core.comparing import METRICS, compare_files, compare_sides
from reco_core.errors import ConfigInvalid, RanksUnreadable

ROOT = Path(__file__).parents[2]
RANKS = np.random.default_rng(0).integers(1, 40, 1000)


@pytest.fixture
def ranks_file(tmp_path: Path):
    def write(name: str, ranks: np.ndarray, test_set: str = "a" * 64) -> Path:
        header = json.dumps({"format_version": 1, "test_set": test_set}).encode()
        users = np.arange(len(ranks), dtype=np.int32)
        path = tmp_path / name
        np.savez(path, header=np.frombuffer(header, np.uint8), users=users, ranks=ranks.astype(np.int32))
        return path

    return write


def test_each_is_compared_with_the_first(ranks_file):
    better = np.where(np.arange(1000) % 20 == 0, 1, RANKS)
    paths = [ranks_file("better.npz", better), ranks_file("other.npz", RANKS, "b" * 64), ranks_file("same.npz", RANKS)]
    answer = compare_files(ranks_file("base.npz", RANKS), paths)
    assert (answer["examples"], answer["users"], answer["samples"], answer["seed"]) == (1000, 1000, 1000, 0)
    first, second, third = answer["others"]
    assert set(first["metrics"]) == set(METRICS)
    ndcg = first["metrics"]["ndcg@10"]
    assert ndcg["verdict"] == "better"
    assert 0 < ndcg["ci95"][0] < ndcg["difference"] < ndcg["ci95"][1]
    assert first["metrics"]["mean_rank"]["difference"] < 0
    assert second is None  # another test set
    assert third["metrics"]["ndcg@10"] == {"difference": 0.0, "ci95": [0.0, 0.0], "verdict": "not distinguishable"}
    assert compare_files(ranks_file("base.npz", RANKS), paths) == answer


def test_nothing_to_pair(ranks_file):
    answer = compare_files(ranks_file("base.npz", RANKS), [ranks_file("other.npz", RANKS, "b" * 64)])
    assert answer["others"] == [None]


def ndcg(ranks: np.ndarray) -> np.ndarray:
    return np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0.0)


def test_seeds_are_averaged_user_by_user_before_they_are_compared(ranks_file):
    random = np.random.default_rng(1)
    first = [random.integers(1, 40, 1000) for _ in range(3)]
    second = [np.maximum(ranks - random.integers(-2, 6, 1000), 1) for ranks in first[:2]]
    sides = [
        [ranks_file(f"{side}{seed}.npz", ranks) for seed, ranks in enumerate(runs)]
        for side, runs in (("a", first), ("b", second))
    ]
    found = compare_sides(*sides, samples=400)
    assert (found["a"]["seeds"], found["b"]["seeds"], found["users"]) == (3, 2, 1000)
    values = [[ndcg(ranks).mean() for ranks in runs] for runs in (first, second)]
    for side, expected in zip("ab", values, strict=True):
        about = found[side]["metrics"]["ndcg@10"]
        assert about["values"] == pytest.approx(expected, abs=1e-6)
        assert about["mean"] == pytest.approx(np.mean(expected), abs=1e-6)
        assert about["spread"] == pytest.approx(np.std(expected, ddof=1), abs=1e-6)
    difference = np.mean([ndcg(ranks) for ranks in first], axis=0) - np.mean([ndcg(ranks) for ranks in second], axis=0)
    about = found["metrics"]["ndcg@10"]
    assert about["difference"] == pytest.approx(difference.mean(), abs=1e-6)
    assert about["verdict"] == "worse"
    # the standard error of a mean over users, from the averages; of one seed it would be half as large again
    half = 1.96 * difference.std() / np.sqrt(1000)
    assert np.diff(about["ci95"])[0] / 2 == pytest.approx(half, rel=0.15)


def test_seeds_of_one_model_are_not_told_apart(ranks_file):
    random = np.random.default_rng(2)
    sides = [[ranks_file(f"{side}{seed}.npz", random.permutation(RANKS)) for seed in range(3)] for side in "ab"]
    found = compare_sides(*sides, samples=400)
    assert {about["verdict"] for about in found["metrics"].values()} == {"not distinguishable"}
    alone = compare_sides(sides[0][:1], sides[1][:1], samples=100)
    assert alone["a"]["metrics"]["ndcg@10"]["spread"] is None


def test_a_bundle_stands_for_the_ranks_in_its_work_folder(ranks_file, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one.work").mkdir()
    ranks_file("one.work/ranks.npz", RANKS)
    other = ranks_file("other.npz", RANKS, "b" * 64)
    assert compare_sides([tmp_path / "one"], [tmp_path / "one.work"], samples=20)["examples"] == 1000
    with pytest.raises(ConfigInvalid, match=r"other.npz was tested on other examples than .*one, so nothing"):
        compare_sides([tmp_path / "one"], [tmp_path / "one.work", other], samples=20)
    with pytest.raises(RanksUnreadable, match=r"two: no ranks there, neither .*give a bundle"):
        compare_sides([tmp_path / "one"], [tmp_path / "two"])


def test_the_command_compares_seeds_too(ranks_file, reco_core):
    base = ranks_file("base.npz", RANKS)
    done = reco_core("compare", "--a", base, base, "--b", base, "--samples", 20)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == compare_sides([base, base], [base], samples=20)
    assert reco_core("compare", "--a", base).returncode == 2


def test_the_command_prints_one_line_of_json(ranks_file, reco_core):
    base = ranks_file("base.npz", RANKS)
    done = reco_core("compare", base, base, "--samples", 20)
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    assert json.loads(line) == compare_files(base, [base], samples=20)
    base.write_bytes(b"?")
    done = reco_core("compare", base, base)
    assert done.returncode == 2
    assert json.loads(done.stdout)["code"] == "ranks_unreadable"


def test_it_needs_nothing_that_an_api_without_tensorflow_lacks():
    code = "import sys, reco_core.comparing; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"tensorflow", "keras", "ai_edge_litert", "scipy", "polars"} & set(done.stdout.split())
