"""What examples are found again by; here, and not in stage 2, because it is also asked where nothing is computed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from reco_core.config.models import JobConfig

FORMAT_VERSION = 1  # of the folders that `reco_core.examples.store_prepared` writes, and of what is in them


def cache_key(config: JobConfig, data_hash: str) -> str:
    """64 hex digits that two jobs share exactly where `examples.prepare` gives them the same; costs only a hash."""
    protocol = config.evaluation.protocol
    examples: dict[str, Any] = {
        "min_timeline_length": config.min_timeline_length,
        "min_rating": config.examples.min_rating,
    }
    if protocol == "reference":  # the only one that draws lots
        examples |= {"train_data_fraction": config.examples.train_data_fraction, "seed": config.seed}
    if config.evaluation.cold_items:
        examples |= {"cold_items": config.evaluation.cold_items, "seed": config.seed}
    document = {
        "version": FORMAT_VERSION,
        "data_hash": data_hash,
        "protocol": protocol,
        "repeats": config.repeats,
        "examples": examples,
        "features": config.features.model_dump(mode="json"),
        "item_attribute": config.model.item_attribute,  # part of the workload
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
