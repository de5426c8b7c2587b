"""Named starting points. A preset holds only what differs from the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Preset:
    """`overrides` is a config document; `summary` says in a line what it is for."""

    summary: str
    overrides: Mapping[str, Any]


# By the name that the original toolkit's own configs give it.
_GENRES = {
    "type": "string",
    "name": "context_movie_genre",
    "column": "genres",
    "layout": "flat",
    "length": 32,
}
_SMOOTHED = {"loss": "auto", "label_smoothing": 0.1}
_SEQUENTIAL: Mapping[str, Any] = {
    "encoder": {"type": "transformer"},
    "examples": {"max_history_length": 50},
    "model": {"dropout": 0.3, "neighbours": True},
    # taught, a model learns in half of the epochs what it would have learned without, and more
    "training": {**_SMOOTHED, "teachers": 1, "teacher_epochs": 20, "max_epochs": 12},
    "export": {"max_bytes": 1_000_000},
}
PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "bow": Preset(
            "Mean of the last items: smallest and fastest.",
            {"encoder": {"type": "bow"}, "model": {"hidden_layers": [256]}, "training": {"label_smoothing": 0.1}},
        ),
        "cnn": Preset("Convolutions over the last items: short patterns in order.", {"encoder": {"type": "cnn"}}),
        "rnn": Preset(
            "LSTM over the last items: the most accurate where order matters, as it mostly does.",
            {"encoder": {"type": "rnn"}, "model": {"dropout": 0.3}},
        ),
        "tiny": Preset(
            "At most 256 kB: one block of attention and few followers, as many dimensions as there is room for.",
            {
                "encoder": {"type": "transformer", "blocks": 1},
                "examples": {"max_history_length": 50},
                "model": {"dropout": 0.3, "neighbours": {"followers": 4}},
                "training": {**_SMOOTHED, "max_epochs": 20},
                "export": {"max_bytes": 256_000},
            },
        ),
        "sequential": Preset(
            "At most 1 MB: attention over the last 50 items, and each item's strongest followers.",
            _SEQUENTIAL,
        ),
        "timed": Preset(
            "As `sequential`, with the time since the interaction before beside each item: for logs with times.",
            {
                **_SEQUENTIAL,
                "features": {"history": [{"type": "time_gap"}]},
                "training": {**_SMOOTHED, "max_epochs": 20},
            },
        ),
        "large": Preset(
            "Whatever size it takes: 128 dimensions, the last 100 items, twice the training.",
            {
                "encoder": {"type": "transformer", "heads": 4, "feed_forward_ratio": 2},
                "examples": {"max_history_length": 100},
                "model": {"embedding_dim": 128, "dropout": 0.4, "neighbours": {"followers": 16}},
                "training": {**_SMOOTHED, "max_epochs": 40},
            },
        ),
        "movielens": Preset(
            "LSTM over the last items with all that the dataset says of them and of the users, as MovieLens does.",
            {
                "encoder": {"type": "rnn"},
                "features": "auto",
                "model": {"dropout": 0.3},
                "training": {"label_smoothing": 0.1},
            },
        ),
        "reference": Preset(
            "For the Android app of TensorFlow's on-device recommendation example, which loads its files unchanged: an "
            "LSTM over the movies, and their genres.",
            {
                "encoder": {"type": "rnn"},
                "features": {"activity_groups": [{"features": [_GENRES]}]},
                "model": {"dropout": 0.3},
                "repeats": True,
                "evaluation": {"protocol": "reference"},
                "export": {"layout": "reference"},
            },
        ),
    }
)
DEFAULT_PRESET = "rnn"
