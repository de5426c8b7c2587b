"""Jobs as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Any

from app.datasets.examples import DATASET_EXAMPLE
from app.jobs.estimate_examples import VALIDATED_EXAMPLE

QUEUED_EXAMPLE: dict[str, Any] = {
    "id": "job_0199f0c3b1d27f4aa1b2c3d4e5f60718",
    "type": "train",
    "queue": "train",
    "status": "queued",
    "phase": None,
    "progress": None,
    "attempt": 0,
    "last_seq": 1,
    "error": None,
    "dataset_id": DATASET_EXAMPLE["id"],
    "base": None,
    "config": {"preset": "bow", "training": {"max_epochs": 20}},
    "preset": "bow",
    "model": "films",
    "metadata": {"commit": "4f2a91c"},
    "estimate": VALIDATED_EXAMPLE["estimate"],
    "checkpoint": None,
    "result": None,
    "removed": {},
    "retry_of": None,
    "request_id": "0af7651916cd43dd8448eb211c80319c",
    "cancel_requested_at": None,
    "created_at": "2026-01-31T12:01:00.000000Z",
    "started_at": None,
    "finished_at": None,
}
RUNNING_EXAMPLE = QUEUED_EXAMPLE | {
    "status": "running",
    "phase": "train",
    "progress": {"done": 180, "total": 6900, "unit": "steps", "eta_seconds": 41.5},
    "attempt": 1,
    "last_seq": 6,
    "started_at": "2026-01-31T12:01:01.000000Z",
}
RETRIED_EXAMPLE = QUEUED_EXAMPLE | {
    "checkpoint": {"epoch": 4, "bytes": 3145728},
    "retry_of": "job_0199f0b2a0c17e3f91a2b3c4d5e6f708",
}
CANCELLING_EXAMPLE = RUNNING_EXAMPLE | {
    "status": "cancelling",
    "checkpoint": {"epoch": 2, "bytes": 3145728},
    "last_seq": 7,
    "cancel_requested_at": "2026-01-31T12:01:20.000000Z",
}
SUCCEEDED_EXAMPLE = RUNNING_EXAMPLE | {
    "status": "succeeded",
    "phase": "publish",
    "progress": None,
    "last_seq": 31,
    "result": {
        "model": "films",
        "version": 1,
        "metrics": {"hr@10": 0.1, "ndcg@10": 0.05},
        "artifacts": [
            {
                "path": "model.tflite",
                "bytes": 262144,
                "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
                "url": "/v1/models/films/versions/1/files/model.tflite",
            }
        ],
    },
    "finished_at": "2026-01-31T12:01:58.000000Z",
}
EPOCHS_EXAMPLE: dict[str, Any] = {
    "data": [
        {"epoch": 1, "metrics": {"loss": 6.93, "ndcg@10": 0.031}, "created_at": "2026-01-31T12:01:04.000000Z"},
        {"epoch": 2, "metrics": {"loss": 6.41, "ndcg@10": 0.038}, "created_at": "2026-01-31T12:01:06.000000Z"},
    ]
}
EVENTS_EXAMPLE: dict[str, Any] = {
    "data": [
        {
            "id": "evt_0199f0c3b1d37c01b1c2d3e4f5a60718",
            "subject": QUEUED_EXAMPLE["id"],
            "seq": 1,
            "type": "job.created",
            "data": {"type": "train", "dataset_id": DATASET_EXAMPLE["id"], "model": "films"},
            "created_at": "2026-01-31T12:01:00.000000Z",
        }
    ],
    "has_more": False,
    "next_cursor": None,
}
LOG_EXAMPLE: dict[str, Any] = {
    "data": [
        {
            "id": 412,
            "attempt": 1,
            "line": "attempt 1 on worker trainer-1:4711",
            "created_at": "2026-01-31T12:01:01.000000Z",
        },
        {
            "id": 431,
            "attempt": 1,
            "line": "epoch 2: loss 6.41, ndcg@10 0.038",
            "created_at": "2026-01-31T12:01:06.000000Z",
        },
    ],
    "has_more": True,
    "next_cursor": "431",
}
LOG_TEXT_EXAMPLE = (
    "2026-01-31T12:01:01.000Z attempt 1 on worker trainer-1:4711\n"
    "2026-01-31T12:01:06.000Z epoch 2: loss 6.41, ndcg@10 0.038\n"
)
ATTEMPTS_EXAMPLE: dict[str, Any] = {
    "data": [
        {
            "number": 1,
            "outcome": "lost",
            "worker": "trainer-1:4711",
            "error": {
                "type": "/problems/out_of_memory",
                "title": "Out of memory",
                "status": 500,
                "detail": "the trainer was killed (SIGKILL); most often the system ran out of memory",
                "code": "out_of_memory",
                "errors": [],
            },
            "phases": {"build_examples": 2.4, "train": 31.0},
            "started_at": "2026-01-31T12:01:01.000000Z",
            "ended_at": "2026-01-31T12:01:35.000000Z",
        },
        {
            "number": 2,
            "outcome": "running",
            "worker": "trainer-1:4711",
            "error": None,
            "phases": {"build_examples": 2.3},
            "started_at": "2026-01-31T12:01:35.000000Z",
            "ended_at": None,
        },
    ]
}
