"""`python -m reco_core compare`: models compared by the ranks beside their bundles."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reco_core.comparing import METRICS, compare_files

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
