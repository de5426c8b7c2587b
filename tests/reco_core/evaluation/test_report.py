from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from reco_core.evaluation import BASELINES, evaluate, report
from reco_core.examples import ExampleSet


@pytest.fixture
def chain_set(build_set) -> ExampleSet:
    """Item n is always followed by n + 1 (of 60, in a circle)."""
    starts = np.random.default_rng(3).integers(0, 60, 200)
    return build_set([[(start + step) % 60 for step in range(8)] for start in starts])


def test_figures_and_intervals_follow_the_contract(chain_set: ExampleSet) -> None:
    model = evaluate(BASELINES["cooccurrence"](chain_set), chain_set, "test", ks=(1, 5))
    validation = evaluate(BASELINES["cooccurrence"](chain_set), chain_set, "validation")
    others = {name: evaluate(BASELINES[name](chain_set), chain_set, "test") for name in ("popular", "markov")}
    found = report(chain_set, model, validation=validation, baselines=others, training={"epochs": 3, "best_epoch": 2})
    assert found["protocol"] == "leave_one_out"
    assert found["test"]["recall@10"]["value"] == round(model["recall@10"], 6)
    low, high = found["test"]["ndcg@5"]["ci95"]
    assert low <= found["test"]["ndcg@5"]["value"] <= high
    assert found["test"]["coverage@10"]["ci95"] is None
    assert found["baselines"]["popular"]["ndcg@10"]["value"] == round(others["popular"]["ndcg@10"], 6)
    assert found["validation"]["ndcg@10"]["value"] == round(validation["ndcg@10"], 6)
    assert found["training"] == {"epochs": 3, "best_epoch": 2}
    assert found["candidates"]["items"] == 60
    assert found["data"]["test_examples"] == found["test_details"]["examples"] == 200
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_model_that_loses_to_a_baseline_says_so(chain_set: ExampleSet) -> None:
    loser = evaluate(BASELINES["popular"](chain_set), chain_set, "test")
    winner = evaluate(BASELINES["markov"](chain_set), chain_set, "test")
    found = report(chain_set, loser, baselines={"markov": winner, "popular": loser})
    assert found["comparison"]["markov"]["ndcg@10"]["verdict"] == "worse"
    assert found["comparison"]["markov"]["ndcg@10"]["ci95"][1] < 0
    assert any(line.startswith("loses to markov on ndcg@10: ") for line in found["warnings"])
    assert any(line.startswith("not distinguishable from popular on recall@10") for line in found["warnings"])
    won = report(chain_set, winner, baselines={"popular": loser})
    assert won["comparison"]["popular"]["recall@10"]["verdict"] == "better"
    assert not any("popular" in line for line in won["warnings"])


def test_the_same_evaluation_gives_the_same_bytes(random_set: ExampleSet) -> None:
    def once() -> str:
        model = evaluate(BASELINES["markov"](random_set), random_set, "test", seed=9)
        others = {name: evaluate(fit(random_set), random_set, "test", seed=9) for name, fit in BASELINES.items()}
        return json.dumps(report(random_set, model, baselines=others, seed=9))

    assert once() == once()


def test_numbers_have_six_digits(random_set: ExampleSet) -> None:
    found = report(random_set, evaluate(BASELINES["markov"](random_set), random_set, "test"))
    text = json.dumps(found)
    assert (
        max(len(part.partition(".")[2].rstrip("}],")) for part in text.split() if "." in part and part[0].isdigit())
        <= 6
    )


def test_what_weakens_the_figures_is_named(random_set: ExampleSet) -> None:
    model = evaluate(BASELINES["popular"](random_set), random_set, "test")
    found = report(replace(random_set, protocol="reference"), model, repeats=True)
    assert any("protocol reference" in line for line in found["warnings"])
    assert any("same score as another item" in line for line in found["warnings"])
    assert found["candidates"]["seen_items"] == "candidates"
