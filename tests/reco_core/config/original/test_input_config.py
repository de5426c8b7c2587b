"""`InputConfig` and its flags become a config that loads, and each difference is said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.config import load
from reco_core.config.original import Conversion, convert_input_config
from reco_core.errors import ConfigInvalid
from tests.reco_core.config.original.samples import (
    CNN_FLAGS,
    GENRES,
    IDS,
    IDS_ONLY,
    INPUT_CONFIG,
    LABEL,
    RATING,
    YEAR,
    group,
)

AGE = 'feature_name: "age" feature_type: INT vocab_size: 7 embedding_dim: 3 feature_length: 1'


def converted(text: str, **flags: str) -> dict[str, Any]:
    """The converted config, whole."""
    return load(convert_input_config(text, flags).config).model_dump(mode="json")


def change(conversion: Conversion, field: str) -> Any:
    (found,) = (one for one in conversion.changes if one.field == field)
    return found


def faults(text: str, **flags: str) -> dict[str, str]:
    """Details by the place that they begin with."""
    with pytest.raises(ConfigInvalid) as caught:
        convert_input_config(text, flags)
    found = dict(error.detail.partition(": ")[::2] for error in caught.value.errors)
    assert len(found) == len(caught.value.errors)
    return found


def test_the_example_of_the_original() -> None:
    config = converted(
        INPUT_CONFIG,
        conv_num_filter_ratios="2,4",
        conv_kernel_size="4",
        lstm_num_units="16",
        hidden_layer_dims="8,4",
        eval_top_k="1,5",
        num_predictions="5",
    )
    assert config["encoder"] == {"type": "cnn", "num_filter_ratios": [2, 4], "kernel_size": 4}
    assert config["model"]["embedding_dim"] == 8
    assert config["model"]["hidden_layers"] == [8, 4]
    assert config["evaluation"]["k"] == [1, 5]
    assert config["evaluation"]["protocol"] == "reference"
    assert config["export"]["top_k"] == 5
    assert config["examples"]["max_history_length"] == 10
    (rating,) = config["features"]["history"]
    assert (rating["type"], rating["name"], rating["column"]) == ("float", "context_movie_rating", "rating")
    (genres,) = config["features"]["activity_groups"]
    assert genres["encoder"] == {"type": "bow"}
    assert genres["features"] == [
        {
            "name": "context_movie_genre",
            "column": "genres",
            "layout": "flat",
            "length": 32,
            "type": "string",
            "vocabulary_size": None,
            "embedding_dim": 4,
        }
    ]


@pytest.mark.parametrize(
    ("text", "layout", "ids"),
    [
        (IDS_ONLY, "reference", None),
        (group(IDS) + group(GENRES) + LABEL, "reference", None),
        (group(IDS, RATING) + LABEL, "default", "raw"),
        (group(IDS) + group(GENRES.replace("STRING", "INT")) + LABEL, "default", "raw"),
        (group(IDS) + group(GENRES) + group(YEAR) + LABEL, "default", "raw"),
        (group(IDS) + group(AGE, kind="global") + LABEL, "default", "raw"),
        # with a vocabulary, line numbers stand in the original's tensors, as indices do in ours
        (group(IDS + ' vocab_name: "v.txt"') + LABEL, "default", None),
        ((group(IDS) + LABEL).replace("_movie_id", "_song"), "default", "raw"),
    ],
)
def test_the_layout_is_the_apps_where_the_app_can_feed_the_model(text: str, layout: str, ids: str | None) -> None:
    export = converted(text)["export"]
    assert (export["layout"], export["ids"]) == (layout, ids)


def test_features_by_type() -> None:
    mood = GENRES.replace("context_movie_genre", "mood").replace("32", "3")
    config = converted(group(IDS, YEAR) + group(mood) + group(AGE, kind="global", encoder="LSTM") + LABEL)
    (year,) = config["features"]["history"]
    assert (year["name"], year["column"], year["type"]) == ("context_movie_year", "year", "int")
    assert (year["vocabulary"], year["vocabulary_size"], year["embedding_dim"]) == (True, None, 6)
    (flat,) = config["features"]["activity_groups"][0]["features"]
    assert (flat["name"], flat["column"], flat["layout"], flat["length"]) == ("mood", None, "flat", 3)
    (user,) = config["features"]["global_groups"]
    assert user["encoder"] == {"type": "rnn", "num_units": 64}
    # without a vocabulary the values themselves index
    assert (user["features"][0]["vocabulary"], user["features"][0]["vocabulary_size"]) == (False, 7)


def test_genres_beside_the_items_are_aligned() -> None:
    conversion = convert_input_config(group(IDS, GENRES.replace("32", "10")) + LABEL, {})
    (genres,) = conversion.config["features"]["history"]
    assert "layout" not in genres
    assert change(conversion, "activity_feature_groups[0].features[1]").ours == "layout: aligned"
    assert "product" not in change(conversion, "activity_feature_groups[0]").why
    assert "no feature is 0" in change(conversion, "activity_feature_groups[0]").original


def test_a_group_of_quantities_only_works() -> None:
    config = converted(group(IDS) + group(RATING) + LABEL)
    assert config["features"]["activity_groups"][0]["features"][0]["type"] == "float"


def test_other_item_ids_are_found_by_the_labels_name_or_by_its_values() -> None:
    named = IDS.replace("movie_id", "song")
    assert converted(group(named) + LABEL.replace("movie_id", "song"))["examples"]["max_history_length"] == 10
    conversion = convert_input_config(group(named) + LABEL, {})
    assert change(conversion, "activity_feature_groups[0].features[0]").ours == "the item ids"


def test_what_was_changed_is_said() -> None:
    text = (
        group(IDS.replace("embedding_dim: 8", "embedding_dim: 24"), encoder="CNN")
        + group(GENRES, encoder="LSTM")
        + LABEL
    )
    conversion = convert_input_config(text, {**CNN_FLAGS, "model_dir": "/models"})
    tied = change(conversion, "activity_feature_groups[0].features[0].embedding_dim")
    assert (tied.original, tied.ours) == ("24", "model.embedding_dim: 8")
    assert change(conversion, "last layer's activation").ours == "linear"
    assert "softmax" in change(conversion, "id 0 and unused ids").original
    assert change(conversion, "CNN stride").ours == "1, causal"
    assert "read out" in change(conversion, "LSTM").ours
    assert change(conversion, "--lstm_num_units").ours == "num_units: 64"
    assert change(conversion, "--learning_rate").ours == "training.optimizer: adamw, training.learning_rate: 0.004"
    assert change(conversion, "--gradient_clip_norm").original == "1 for each variable (default)"
    assert change(conversion, "activity_feature_groups[1].features[0].vocab_name").ours == "the data's values"
    assert change(conversion, "--num_predictions").ours == "export.top_k: 5"
    assert change(conversion, "--model_dir").ours is None
    assert "3953" in change(conversion, "item ids").original
    assert all(one.why and one.original for one in conversion.changes)
    encoders = {one.field for one in convert_input_config(IDS_ONLY, {}).changes}
    assert not encoders & {"CNN stride", "LSTM"}


def test_a_kernel_wider_than_its_sequence_is_cut_to_it() -> None:
    text = group(IDS.replace("feature_length: 10", "feature_length: 3"), encoder="CNN") + LABEL
    conversion = convert_input_config(text, {**CNN_FLAGS, "conv_kernel_size": "5"})
    assert conversion.config["encoder"]["kernel_size"] == 3
    assert change(conversion, "--conv_kernel_size").original == "5"


FIRST = "activity_feature_groups[0].features[0]"


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        (group(IDS) + "activity_feature_groups {}" + LABEL, "activity_feature_groups[1].features", "no features"),
        (group(IDS), "label_feature", "must say what is predicted"),
        (group(IDS) + LABEL.replace("INT", "FLOAT"), "label_feature.feature_type", "must be INT, found FLOAT"),
        (group(IDS) + LABEL.replace("feature_type: INT", ""), "label_feature.feature_type", "found STRING"),
        (group(IDS) + LABEL.replace("vocab_size: 3953", ""), "label_feature.vocab_size", "INT features need it"),
        (group(IDS) + LABEL.replace("embedding_dim: 8", ""), "label_feature.embedding_dim", "INT features need it"),
        (group(IDS.replace("vocab_size: 3953", "")) + LABEL, f"{FIRST}.vocab_size", "INT features need it"),
        (group(IDS.replace("embedding_dim: 8", "embedding_dim: 0")) + LABEL, f"{FIRST}.embedding_dim", "at least 1"),
        (group(IDS.replace("feature_length: 10", "")) + LABEL, f"{FIRST}.feature_length", "none is given"),
        (group(IDS) + group(GENRES.replace('vocab_name: "movie_genre_vocab.txt"', "")) + LABEL,
         "activity_feature_groups[1].features[0].vocab_name", "STRING features"),
        (group(IDS) + group(GENRES.replace("embedding_dim: 4", "")) + LABEL,
         "activity_feature_groups[1].features[0].embedding_dim", "STRING features need it"),
        (group(IDS, RATING.replace("10", "5")) + LABEL,
         "activity_feature_groups[0].features[1].feature_length", "5 here, 10 in context_movie_id"),
        (group(RATING) + LABEL, "activity_feature_groups", "add one called 'context_movie_id'"),
        (group(AGE, kind="global") + LABEL, "activity_feature_groups", "must hold the item ids"),
        (group(IDS) + group(IDS) + LABEL, "activity_feature_groups[1].features[0].feature_name", "stand in"),
        (group(IDS) + group(GENRES) + group(GENRES) + LABEL,
         "activity_feature_groups[2].features[0].feature_name", "is called 'context_movie_genre' already"),
        (group(IDS) + group(YEAR.replace("context_movie_year", "history")) + LABEL,
         "activity_feature_groups[1].features[0].feature_name", "the model's own tensors"),
        (group(IDS) + group(YEAR.replace('"context_movie_year"', '"my year"')) + LABEL,
         "activity_feature_groups[1].features[0].feature_name", "match pattern"),
        (group(IDS) + group(YEAR.replace('"context_movie_year"', '""')) + LABEL,
         "activity_feature_groups[1].features[0].feature_name", "needs a name"),
        # what our config refuses is named as it is called there
        (group(IDS.replace("feature_length: 10", "feature_length: 500")) + LABEL, f"{FIRST}.feature_length", "200"),
        (group(IDS) + LABEL.replace("embedding_dim: 8", "embedding_dim: 4096"), "label_feature.embedding_dim", "512"),
        (group(IDS) + group(YEAR.replace("embedding_dim: 6", "embedding_dim: 600")) + LABEL,
         "activity_feature_groups[1].features[0].embedding_dim", "512"),
        (group(IDS) + group(AGE.replace("size: 7", "size: 99999999"), kind="global") + LABEL,
         "global_feature_groups[0].features[0].vocab_size", "10000000"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_its_field(text: str, place: str, said: str) -> None:
    found = faults(text)
    assert place in found, found
    assert said in found[place]


def test_all_faults_are_told_at_once_and_point_into_the_input() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        convert_input_config(group(RATING.replace("10", "0")), {"batch_sise": "x", "num_epochs": "many"})
    assert {error.pointer for error in caught.value.errors} == {
        "/input_config",
        "/flags/batch_sise",
        "/flags/num_epochs",
    }
    assert len(caught.value.errors) == 5
    assert "2 more" in caught.value.message


@pytest.mark.parametrize(
    ("flags", "place", "said"),
    [
        ({}, "--conv_num_filter_ratios", "such as 2,4"),
        ({"conv_num_filter_ratios": ""}, "--conv_num_filter_ratios", "such as 2,4"),
        ({"conv_num_filter_ratios": "2,-4"}, "--conv_num_filter_ratios", "above 0"),
        ({"conv_num_filter_ratios": "2,40"}, "--conv_num_filter_ratios", "16"),
        ({**CNN_FLAGS, "conv_kernel_size": "0"}, "--conv_kernel_size", "greater than or equal to 1"),
        ({**CNN_FLAGS, "max_context_length": "9"}, "--max_context_length", "feature_length is 10"),
        ({**CNN_FLAGS, "max_history_length": "9"}, "--max_history_length", "feature_length is 10"),
        ({**CNN_FLAGS, "max_context_movie_genre_length": "10"}, "--max_context_movie_genre_length", "is 32"),
        ({**CNN_FLAGS, "encoder_type": "bow"}, "--encoder_type", "encoder_type is cnn"),
    ],
)
def test_flags_that_contradict_the_config(flags: dict[str, str], place: str, said: str) -> None:
    found = faults(INPUT_CONFIG, **flags)
    assert list(found) == [place]
    assert said in found[place]


def test_flags_that_say_again_what_the_config_says_are_welcome() -> None:
    converted(
        INPUT_CONFIG,
        **CNN_FLAGS,
        max_context_length="10",
        max_history_length="10",
        max_context_movie_genre_length="32",
        encoder_type="cnn",
    )


FIELDS = st.sampled_from([IDS, RATING, GENRES, YEAR, AGE, "", IDS.replace("10", "3"), GENRES.replace("32", "10")])
GROUPS = st.builds(
    lambda kind, features, encoder: group(*features, encoder=encoder, kind=kind),
    st.sampled_from(["activity", "global"]),
    st.lists(FIELDS, max_size=3),
    st.sampled_from([None, "BOW", "CNN", "LSTM"]),
)


@given(
    st.lists(GROUPS, max_size=4),
    st.sampled_from([LABEL, "", LABEL.replace("INT", "STRING")]),
    st.dictionaries(
        st.sampled_from(
            ["conv_num_filter_ratios", "conv_kernel_size", "lstm_num_units", "hidden_layer_dims", "batch_size"]
        ),
        st.sampled_from(["1", "2,3", "0", "-1", "", "nan", "9" * 20, "10**3"]),
        max_size=3,
    ),
)
def test_any_config_is_converted_to_one_that_loads_or_refused(
    groups: list[str], label: str, flags: dict[str, str]
) -> None:
    try:
        conversion = convert_input_config("".join(groups) + label, flags)
    except ConfigInvalid as error:
        pointers = [fault.pointer for fault in error.errors]
    else:
        load(conversion.config)
        return
    assert pointers
    assert all(pointer == "/input_config" or pointer.startswith("/flags/") for pointer in pointers)


def test_what_is_quoted_is_printable_and_short() -> None:
    ids = IDS.replace("movie_id", "\\000\\033[2J" + "x" * 300)
    text = group(ids) + group(GENRES.replace("movie_genre_vocab", "\\001")) + LABEL
    conversion = convert_input_config(text, {"--model_dir": "\x1b[2J"})
    said = [text for one in conversion.changes for text in (one.field, one.original, one.ours or "", one.why)]
    assert all(text.isprintable() and len(text) < 300 for text in said)
    assert "\\x1b[2J" in said
    found = faults(group(ids, RATING.replace("10", "5")) + LABEL)
    assert all(detail.isprintable() for detail in found.values())


def test_what_is_refused_later_can_be_named_as_in_the_original() -> None:
    conversion = convert_input_config(INPUT_CONFIG, {**CNN_FLAGS, "--batch_size": "65536"})
    assert conversion.origin("/training/batch_size") == "/flags/--batch_size"
    assert conversion.origin("/encoder/num_filter_ratios/0") == "/flags/conv_num_filter_ratios"
    assert conversion.origin("/examples/max_history_length") == "/input_config"
    assert conversion.origin("") == "/input_config"
