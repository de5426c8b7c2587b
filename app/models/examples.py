"""A comparison as the OpenAPI document shows it."""

from __future__ import annotations

from typing import Any

from app.models.schemas import VERSION_EXAMPLE

COMPARE_EXAMPLE: dict[str, Any] = {
    "model": "films",
    "base": 3,
    "versions": [
        {
            "version": number,
            "url": f"/v1/models/films/versions/{number}",
            "job_id": VERSION_EXAMPLE["job_id"],
            "job_type": "train",
            "base": None,
            "dataset_id": VERSION_EXAMPLE["dataset_id"],
            "dataset_content_hash": VERSION_EXAMPLE["dataset_content_hash"],
            "protocol": "leave_one_out",
            "metrics": {"ndcg@10": {"value": value, "ci95": [round(value - 0.01, 4), round(value + 0.01, 4)]}},
            "variants": [
                {
                    "name": "float16",
                    "default": True,
                    "bytes": 262144,
                    "latency_ms": latency,
                    "operators": {"FULLY_CONNECTED": 4, "GATHER": 3, "TOPK_V2": 1},
                }
            ],
            "created_at": "2026-01-31T12:01:58.000000Z",
            "yanked": None,
        }
        for number, value, latency in ((3, 0.1106, 0.042), (5, 0.1226, 0.058))
    ],
    "config_differences": [{"pointer": "/model/embedding_dim", "values": {"3": 32, "5": 64}}],
    "comparisons": [
        {
            "version": 5,
            "base": 3,
            "paired": {
                "examples": 943,
                "users": 943,
                "samples": 1000,
                "seed": 0,
                "metrics": {"ndcg@10": {"difference": 0.012, "ci95": [0.004, 0.02], "verdict": "better"}},
            },
            "reason": None,
            "verdict": "5 is better than 3 on NDCG@10: +.0120 [.0040, .0200]",
        }
    ],
}
