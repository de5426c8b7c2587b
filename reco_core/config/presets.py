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
