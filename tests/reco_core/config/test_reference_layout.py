"""What the Android app can't pass is refused before anything runs, each field by its pointer."""

from __future__ import annotations

import pytest

from reco_core.config import load
from reco_core.config.reference_layout import genre_feature
from reco_core.errors import ConfigInvalid

GENRES = {"type": "string", "name": "genres", "layout": "flat", "length": 32}
RATING = {"type": "float", "name": "rating"}


def with_features(features: object) -> dict:
    return {"export": {"layout": "reference"}, "features": features}


@pytest.mark.parametrize(
    ("features", "pointers"),
    [
        ("auto", ["/features"]),
        ({"history": [RATING]}, ["/features/history/0"]),
        ({"global_groups": [{"features": [{"type": "string", "name": "sex"}]}]}, ["/features/global_groups/0"]),
        ({"activity_groups": [{"features": [RATING]}]}, ["/features/activity_groups/0/features/0"]),
        (
            {"activity_groups": [{"features": [{**GENRES, "layout": "aligned", "length": 2}]}]},
            ["/features/activity_groups/0/features/0"],
        ),
        (
            {"activity_groups": [{"features": [GENRES]}, {"features": [{**GENRES, "name": "tags"}]}]},
            ["/features/activity_groups/1/features/0"],
        ),
        (
            {"activity_groups": [{"features": [GENRES, {**GENRES, "name": "tags"}]}]},
            ["/features/activity_groups/0/features/1"],
        ),
        (
            {"history": [RATING], "global_groups": [{"features": [{"type": "string", "name": "sex"}]}]},
            ["/features/history/0", "/features/global_groups/0"],
        ),
    ],
)
def test_features_that_the_app_cannot_pass_are_refused(features, pointers):
    with pytest.raises(ConfigInvalid, match=r"leave it out, or set export\.layout to 'default'") as caught:
        load(with_features(features))
    assert [fault.pointer for fault in caught.value.errors] == pointers
    load({"features": features})  # the default layout takes them all


def test_genres_are_found():
    config = load(with_features({"activity_groups": [{"features": [GENRES]}]}))
    feature = genre_feature(config)
    assert feature is not None
    assert (feature.name, feature.flat_length) == ("genres", 32)
    assert genre_feature(load({"export": {"layout": "reference"}})) is None
    without = load({"preset": "reference", "features": {"activity_groups": []}})
    assert genre_feature(without) is None


def test_the_preset_is_what_the_app_needs():
    config = load({"preset": "reference"})
    assert config.export.layout == "reference"
    assert config.export.raw_ids
    feature = genre_feature(config)
    assert feature is not None
    assert (feature.source_column, feature.flat_length) == ("genres", 32)
    assert config.repeats
    assert config.evaluation.protocol == "reference"
    assert (config.export_history_length, config.export.top_k) == (10, 100)
