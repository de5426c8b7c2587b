"""Documents as a run leaves them, without a run."""

from __future__ import annotations

from typing import Any

import pytest

from reco_core.config import load


def metric(value: float, spread: float | None = 0.1) -> dict[str, Any]:
    return {"value": value, "ci95": None if spread is None else [value * (1 - spread), value * (1 + spread)]}


def metrics(scale: float) -> dict[str, Any]:
    return {
        "recall@10": metric(0.2301 * scale),
        "ndcg@10": metric(0.1171 * scale),
        "mean_rank": metric(137.6066),
        "coverage@10": metric(0.4346, None),
    }


def compared(difference: float, verdict: str) -> dict[str, Any]:
    return {"difference": difference, "ci95": [difference - 0.01, difference + 0.01], "verdict": verdict}


@pytest.fixture
def documents() -> dict[str, Any]:
    """Arguments of `render`: a model that beats one baseline, can't be told from a second and loses to a third."""
    stratum = {"examples": 265, "recall@10": metric(0.4189), "ndcg@10": metric(0.2252)}
    report = {
        "default_variant": "float16",
        "protocol": "leave_one_out",
        "candidates": {"ranking": "full", "items": 1682, "seen_items": "excluded", "ties": "lower index first"},
        "data": {
            "users": 943,
            "dropped_users": 7,
            "items": 1682,
            "interactions": 100_000,
            "training_interactions": 98_114,
            "training_examples": 97_171,
            "validation_examples": 941,
            "test_examples": 942,
        },
        "bootstrap": {"samples": 1000, "seed": 0, "unit": "user", "interval": "95% percentile"},
        "test": metrics(1.0),
        "test_details": {
            "users": 943,
            "examples": 942,
            "tied_labels_share": 0.0,
            "seen_labels": 0,
            "cold_labels": 3,
            "strata": {"item_popularity": {"head": stratum, "cold": stratum}, "history_length": {"51+": stratum}},
        },
        "baselines": {"popular": metrics(0.3), "cooccurrence": metrics(0.98), "ease": metrics(1.2)},
        "comparison": {
            "popular": {"recall@10": compared(0.1611, "better"), "ndcg@10": compared(0.082, "better")},
            "cooccurrence": {
                "recall@10": compared(0.0046, "not distinguishable"),
                "ndcg@10": compared(0.0023, "not distinguishable"),
            },
            "ease": {"recall@10": compared(-0.046, "worse"), "ndcg@10": compared(-0.0234, "worse")},
        },
        "warnings": [
            "loses to ease on recall@10: 0.2301 against 0.2761",
            "not distinguishable from cooccurrence on recall@10: 0.2301 against 0.2255",
            "3 of 942 test labels are items without training data and count as misses",
        ],
        "variants": {
            name: {"bytes": size, "recall@10": 0.2301, "ndcg@10": ndcg, "overlap@10": 0.9857, "refused": refused}
            for name, size, ndcg, refused in (
                ("float32", 768_509, 0.1171, None),
                ("float16", 459_773, 0.117, None),
                ("dynamic_int8", 310_749, 0.1049, "NDCG@10 falls by 10%"),
            )
        },
        "training": {"epochs": 4, "best_epoch": 3, "examples": 97_171},
        "validation": metrics(1.1),
    }
    measured = {
        "phases": {"train": {"seconds": 84.025}, "export": {"seconds": 4.956}},
        "training": {"examples": 97_171, "examples_per_second": 13_465},
        "variants": {"float32": {"bytes": 768_509, "latency_ms": 0.0799}},
        "peak_memory_bytes": 1_108_254_720,
    }
    losses, quality = (6.7391, 6.1023, 5.9817, 5.9544), (0.1056, 0.1211, 0.1309, 0.1287)
    return {
        "report": report,
        "measured": measured,
        "history": [{"loss": a, "ndcg@10": b, "recall@10": b * 2} for a, b in zip(losses, quality, strict=True)],
        "config": load({"preset": "bow"}).model_dump(mode="json"),
        "data_hash": "ab" * 32,
    }
