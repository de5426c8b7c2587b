"""Features of a request, told in text or looked up in items.json."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reco_core.bundled_features import BundledFeature
from reco_core.errors import ConfigInvalid
from reco_core.told_features import feature_values, unknown_values

WORDS = ("<pad>", "<oov>", "Drama", "War", "Film Noir")


def one(name: str, kind: str, scope: str, layout: str = "aligned", length: int = 1) -> BundledFeature:
    size = 40 if kind == "int" else 0
    return BundledFeature(name, kind, scope, layout, length, size, WORDS if kind == "category" else None, 0.0, 1.0)


HISTORY = [{"features": {"genres": [2, 3], "year": [1]}}, {"features": {"genres": [], "year": [0]}}]


def values(feature: BundledFeature, history=HISTORY, length: int = 5, **told: str):
    return {
        name: found.tolist() for name, found in feature_values({feature.name: feature}, history, told, length).items()
    }


def test_values_of_items_stand_in_the_bundle():
    assert values(one("year", "category", "item")) == {"year": [1, 0]}
    assert values(one("genres", "category", "item", length=3)) == {"genres": [[2, 3, 0], [0, 0, 0]]}
    assert values(one("genres", "category", "item", "flat", 9), HISTORY[::-1]) == {"genres": [2, 3]}
    assert values(one("genres", "category", "item", "flat", 1)) == {"genres": [2]}
    assert values(one("year", "category", "item"), length=1) == {"year": [0]}  # the newest
    assert values(one("year", "category", "item"), []) == {}


def test_values_of_users_are_told():
    assert values(one("taste", "category", "user", length=3), taste="War, Drama,Opera") == {"taste": [3, 2, 1]}
    assert values(one("taste", "category", "user"), taste=" Film\u00a0 Noir") == {"taste": [4]}
    assert values(one("age", "int", "user"), age="25") == {"age": [25]}
    for outside in ("40", "-1", "99999999999", "-99999999999999999999"):
        assert values(one("age", "int", "user"), age=outside) == {"age": [40]}
    assert values(one("age", "int", "user")) == {}
    assert values(one("income", "float", "user"), income="1e3") == {"income": [1000.0]}


def test_values_of_interactions_are_told_one_for_each():
    assert values(one("rating", "float", "interaction"), rating="5,3.5") == {"rating": [5.0, 3.5]}
    assert values(one("rating", "float", "interaction"), rating="5,3.5", length=1) == {"rating": [3.5]}
    found = feature_values({"rating": one("rating", "float", "interaction")}, HISTORY, {"rating": "5,"}, 5)["rating"]
    assert found[0] == 5
    assert np.isnan(found[1])
    assert values(one("tags", "category", "interaction", length=2), tags="War|Drama,") == {"tags": [[3, 2], [0, 0]]}
    assert values(one("tags", "category", "interaction", "flat", 3), tags="War|Drama,War") == {"tags": [3, 2, 3]}


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"rating": "5"}, "rating has 1 values for a history of 2; give one for each item"),
        ({"rating": "5,good"}, "rating takes numbers, found 'good'"),
        ({"rating": "5,inf"}, "rating takes numbers, found 'inf'"),
        ({"rating": "5,-1e39"}, "rating takes numbers, found '-1e39'"),
        ({"mood": "x"}, "no feature 'mood'; the bundle has rating"),
    ],
)
def test_what_does_not_fit_is_named(told, message):
    with pytest.raises(ConfigInvalid, match=message) as caught:
        values(one("rating", "float", "interaction"), **told)
    (name,) = told
    assert caught.value.errors[0].pointer == f"/features/{name}"


def test_values_that_the_model_does_not_know_are_named_with_the_nearest_it_knows():
    def said(feature: BundledFeature, text: str) -> list[str]:
        return [
            line.replace("the model doesn't know this value, and it counts as unknown; ", "")
            for line in unknown_values({feature.name: feature}, {feature.name: text})
        ]

    taste = one("taste", "category", "user", length=3)
    assert said(taste, "War, film  Noir,War|,") == ["taste=film Noir: the nearest that it knows: Film Noir"]
    assert said(taste, "abc") == ["taste=abc: the nearest that it knows: Drama, War, Film Noir"]
    years = replace(one("year", "category", "user"), vocabulary=("<pad>", "<oov>", "1950", "1994", "2001", "1999"))
    assert said(years, "1995") == ["year=1995: the nearest that it knows: 1994, 1999, 2001"]
    assert said(one("age", "int", "user"), "40,39,-1,40") == [
        "age=40: it knows 0 to 39",
        "age=-1: it knows 0 to 39",
    ]
    assert said(one("rating", "float", "interaction"), "1e9,") == []


def test_a_model_without_features_says_so():
    with pytest.raises(ConfigInvalid, match="the bundle's model reads ids alone"):
        feature_values({}, HISTORY, {"age": "3"}, 5)


def test_not_a_number_is_missing():
    found = feature_values({"rating": one("rating", "float", "interaction")}, HISTORY, {"rating": "nan,3e38"}, 5)
    assert np.isnan(found["rating"][0])
    assert found["rating"][1] == np.float32(3e38)
