"""What examples are found again by; here, and not in stage 2, because it is also asked where nothing is computed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import reduce
from typing import Any

from reco_core.config.evaluation import ProtocolName
from reco_core.config.job import JobConfig

# What else a protocol's split depends on, as pointers into the config.
SPLIT_FIELDS: Mapping[ProtocolName, tuple[str, ...]] = {
    "leave_one_out": (),
    "temporal": ("/evaluation/test_fraction",),
    "user_disjoint": ("/evaluation/test_fraction", "/evaluation/split_seed"),
    "reference": ("/examples/train_data_fraction", "/seed"),
}
COLD_FIELDS = ("/evaluation/cold_items", "/seed")  # the same where training is kept from some items
FORMAT_VERSION = 1  # of the folders that `reco_core.examples.store_prepared` writes, and of what is in them


def cache_key(config: JobConfig, data_hash: str) -> str:
    """64 hex digits that two jobs share exactly where `examples.prepare` gives them the same; costs only a hash."""
    document = {
        "version": FORMAT_VERSION,
        "data_hash": data_hash,
        "split": split_settings(config),
        "repeats": config.repeats,
        "features": config.features.model_dump(mode="json"),
        "item_attribute": config.model.item_attribute,  # part of the workload
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def split_settings(config: JobConfig) -> dict[str, Any]:
    """What decides, for one log, over which interactions are learned from and which are labels."""
    wanted = config.evaluation
    fields = (*SPLIT_FIELDS[wanted.protocol], *(COLD_FIELDS if wanted.cold_items else ()))
    return {
        "protocol": wanted.protocol,
        "min_timeline_length": config.min_timeline_length,
        "min_rating": config.examples.min_rating,
        **{pointer: reduce(getattr, pointer[1:].split("/"), config) for pointer in fields},
    }
