"""What the OpenAPI document shows of datasets."""

from __future__ import annotations

from typing import Any

REPORT_EXAMPLE: dict[str, Any] = {
    "format": "csv",
    "mapping": {"user": "user_id", "item": "item_id", "timestamp": "ts", "rating": None},
    "mapping_detected": True,
    "detection": {
        "user": {"column": "user_id", "how": "detected", "candidates": ["user_id"]},
        "item": {"column": "item_id", "how": "detected", "candidates": ["item_id"]},
        "timestamp": {"column": "ts", "how": "detected", "candidates": ["ts", "date"]},
        "rating": {"column": None, "how": "not_found", "candidates": []},
    },
    "rows": {"in": 100000, "accepted": 99998, "rejected": {"timestamp_missing": 2}},
    "examples": [{"file": "ratings.csv", "line": 812, "code": "timestamp_missing", "detail": "timestamp missing"}],
    "item_table": {"file": "items.csv", "rows": {"in": 1683, "accepted": 1683, "rejected": {}}},
    "user_table": {"file": "users.csv", "rows": {"in": 943, "accepted": 943, "rejected": {}}},
    "feature_columns": {
        "interaction": [],
        "item": [{"name": "genres", "kind": "text_list"}, {"name": "year", "kind": "integer"}],
        "user": [{"name": "age", "kind": "integer"}, {"name": "gender", "kind": "text"}],
    },
    "warnings": [
        {
            "code": "duplicate_rows",
            "count": 3,
            "detail": "rows that repeat an earlier one: the same user, item, time and rating; all were kept",
            "examples": [{"file": "ratings.csv", "line": 1044}],
        }
    ],
    "users": 943,
    "items": 1682,
    "notes": ["item table: items.csv", "user table: users.csv"],
}
_SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
DATASET_EXAMPLE: dict[str, Any] = {
    "id": "ds_0199f0c2a5b47c3e8d1f2a3b4c5d6e7f",
    "name": "ratings.csv",
    "status": "ready",
    "bytes": 1979173,
    "files": [{"path": "ratings.csv", "bytes": 1979173, "sha256": _SHA}],
    "spec": {"format": "auto"},
    "source": {"filename": "ratings.csv"},
    "labels": {"season": "spring"},
    "content_hash": "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
    "report": REPORT_EXAMPLE,
    "error": None,
    "validation_job_id": "job_0199f0c2a5b57a1c9e2b4d6f8a0c1e3d",
    "last_seq": 2,
    "created_at": "2026-01-31T12:00:00.000000Z",
    "updated_at": "2026-01-31T12:00:02.000000Z",
    "ready_at": "2026-01-31T12:00:02.000000Z",
}
VALIDATING_EXAMPLE = DATASET_EXAMPLE | {
    "status": "validating",
    "content_hash": None,
    "report": None,
    "last_seq": 1,
    "ready_at": None,
}
EVENTS_EXAMPLE: dict[str, Any] = {
    "data": [
        {
            "id": "evt_0199f0c2a5b67d02c2d3e4f5a6b70819",
            "subject": DATASET_EXAMPLE["id"],
            "seq": 2,
            "type": "dataset.ready",
            "data": {"content_hash": DATASET_EXAMPLE["content_hash"]},
            "created_at": "2026-01-31T12:00:02.000000Z",
        }
    ],
    "has_more": False,
    "next_cursor": None,
}
PREVIEW_EXAMPLE: dict[str, Any] = {
    "format": "csv",
    "file": "ratings.csv",
    "mapping": REPORT_EXAMPLE["mapping"],
    "mapping_detected": True,
    "columns": [
        {"name": "user_id", "type": "text"},
        {"name": "item_id", "type": "integer"},
        {"name": "ts", "type": "integer"},
    ],
    "timestamp_unit": "seconds",
    "rows": [
        {
            "line": 2,
            "user": "u1",
            "item": "50",
            "timestamp": "2026-01-31T12:00:00Z",
            "timestamp_raw": "1769860800",
            "rating": None,
        }
    ],
    "items": [
        {
            "item": "50",
            "title": "Star Wars (1977)",
            "categories": ["Action", "Sci-Fi"],
            "features": {"year": 1977},
        }
    ],
    "users": [{"user": "u1", "features": {"age": 24, "gender": "M"}}],
    "lines": [],
}
