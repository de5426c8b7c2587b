"""Estimates as the OpenAPI document shows them: MovieLens-100K, as computed."""

from __future__ import annotations

from typing import Any

from app.datasets.examples import DATASET_EXAMPLE

VALIDATED_EXAMPLE: dict[str, Any] = {
    "type": "train",
    "dataset_id": DATASET_EXAMPLE["id"],
    "base": None,
    "model": "films",
    "config": {
        "preset": "bow",
        "seed": 0,
        "repeats": False,
        "examples": {
            "max_history_length": 10,
            "min_timeline_length": 3,
            "min_rating": None,
            "train_data_fraction": 0.9,
        },
        "encoder": {"type": "bow"},
        "model": {
            "embedding_dim": 64,
            "hidden_layers": [256],
            "item_bias": True,
            "item_attribute": "auto",
            "dropout": 0.2,
        },
        "training": {
            "batch_size": None,
            "learning_rate": 0.004,
            "weight_decay": 0.0,
            "max_epochs": 20,
            "patience": 5,
            "warmup_steps": 100,
            "learning_rate_decay": "cosine",
            "gradient_clip_norm": 5.0,
            "label_smoothing": 0.1,
            "checkpoint_seconds": 10.0,
        },
        "evaluation": {
            "protocol": "leave_one_out",
            "k": [1, 5, 10, 20, 50],
            "baselines": ["popular", "recent_popular", "markov", "cooccurrence"],
            "bootstrap_samples": 1000,
        },
        "export": {
            "variants": ["float32", "float16", "dynamic_int8"],
            "default_variant": "float16",
            "top_k": 100,
            "exclude_ids": 0,
            "max_bytes": None,
        },
    },
    "estimate": {
        "exact": True,
        "examples": {"train": 97171, "validation": 943, "test": 943},
        "users": {"used": 943, "left_out": 0},
        "vocabulary": 1682,
        "parameters": 143698,
        "budget": None,
        "bytes": {"float32": 582578, "float16": 299764, "dynamic_int8": 201100, "bundle": 1671434},
        "memory_bytes": 1040476988,
        "batch_size": 512,
        "steps_per_epoch": 190,
        "epochs": {"expected": 13, "at_most": 20},
        "seconds": {
            "total": {"expected": 32.8, "at_most": 66.5},
            "per_epoch": 1.651,
            "phases": {
                "validate": {"expected": 3.3, "at_most": 5.0},
                "build_examples": {"expected": 0.1, "at_most": 0.2},
                "train": {"expected": 24.3, "at_most": 53.7},
                "export": {"expected": 1.8, "at_most": 2.7},
                "evaluate": {"expected": 2.2, "at_most": 3.2},
                "verify": {"expected": 0.9, "at_most": 1.3},
                "publish": {"expected": 0.2, "at_most": 0.3},
            },
            "machine_factor": 1.0,
        },
    },
    "limits": {"memory_bytes": 24000000000, "seconds": 86400.0, "vocabulary": 10000000},
    "warnings": [
        {
            "pointer": "/config/training/patience",
            "code": "patience_ends_it_earlier",
            "detail": "early stopping will likely end it after about 13 of 20 epochs",
        }
    ],
    "conversion": None,
}
