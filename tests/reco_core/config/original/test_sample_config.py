"""`sample_config.json` and the flags of its launcher become a config that loads, and each difference is said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.config import load
from reco_core.config.original import convert_sample_config
from reco_core.errors import ConfigInvalid
from tests.reco_core.config.original.samples import SAMPLE_CONFIG


def converted(document: dict[str, Any], **flags: str) -> dict[str, Any]:
    return load(convert_sample_config(document, flags).config).model_dump(mode="json")


def changes(document: dict[str, Any], **flags: str) -> dict[str, str | None]:
    return {one.field: one.ours for one in convert_sample_config(document, flags).changes}


def test_the_encoder_is_the_flags() -> None:
    assert converted(SAMPLE_CONFIG)["encoder"] == {"type": "bow"}
    assert converted(SAMPLE_CONFIG, encoder_type="cnn")["encoder"] == {
        "type": "cnn",
        "num_filter_ratios": [2, 4],
        "kernel_size": 4,
    }
    assert converted(SAMPLE_CONFIG, encoder_type="rnn")["encoder"] == {"type": "rnn", "num_units": 16}
    inside = {**SAMPLE_CONFIG, "encoder_type": "rnn"}
    assert converted(inside)["encoder"]["type"] == "rnn"
    assert converted(inside, encoder_type="bow")["encoder"]["type"] == "bow"


def test_ratios_multiply_the_contexts_embeddings_and_the_last_is_the_projection() -> None:
    wide = {**SAMPLE_CONFIG, "context_embedding_dim": 128, "hidden_layer_dim_ratios": [1, 0.5, 0.25]}
    config = converted(wide, encoder_type="cnn")
    assert config["model"]["embedding_dim"] == 32
    assert config["model"]["hidden_layers"] == [128, 64]
    # 128 x 2 and 128 x 4 filters are 8 and 16 times 32
    assert config["encoder"]["num_filter_ratios"] == [8, 16]
    said = changes(wide)
    assert said["context_embedding_dim"] == "model.embedding_dim: 32"
    assert said["hidden_layer_dim_ratios"] == "model.hidden_layers: [128, 64]"


def test_widths_are_rounded_and_it_is_said() -> None:
    odd = {**SAMPLE_CONFIG, "hidden_layer_dim_ratios": [0.3, 1]}
    assert converted(odd)["model"]["hidden_layers"] == [10]  # 9.6
    assert any("rounded" in one.why for one in convert_sample_config(odd, {}).changes)
    uneven = {**SAMPLE_CONFIG, "context_embedding_dim": 40, "hidden_layer_dim_ratios": [0.8]}
    config = converted(uneven, encoder_type="cnn")
    assert config["encoder"]["num_filter_ratios"] == [2, 5]  # 80 and 160 filters are 2.5 and 5 times 32
    assert "64, 160 filters" in str(changes(uneven, encoder_type="cnn")["conv_num_filter_ratios"])


def test_lengths_of_training_and_of_the_file() -> None:
    assert converted(SAMPLE_CONFIG)["examples"]["max_history_length"] == 10
    both = converted(SAMPLE_CONFIG, max_history_length="20")
    assert (both["examples"]["max_history_length"], both["export"]["history_length"]) == (20, None)
    apart = converted(SAMPLE_CONFIG, max_history_length="8", max_context_length="12")
    assert (apart["examples"]["max_history_length"], apart["export"]["history_length"]) == (12, 8)


def test_predictions_and_cut_offs() -> None:
    assert converted(SAMPLE_CONFIG)["export"]["top_k"] == 100
    assert converted({**SAMPLE_CONFIG, "num_predictions": 30})["export"]["top_k"] == 30
    assert converted({**SAMPLE_CONFIG, "num_predictions": 30}, num_predictions="40")["export"]["top_k"] == 40
    assert converted(SAMPLE_CONFIG)["evaluation"]["k"] == [1, 5, 10]
    assert converted(SAMPLE_CONFIG, eval_top_k="3,2,3")["evaluation"]["k"] == [2, 3]


def test_flags_win_over_the_document() -> None:
    flags = {"conv_num_filter_ratios": "3", "conv_kernel_size": "2", "hidden_layer_dims": "48,32"}
    config = converted(SAMPLE_CONFIG, encoder_type="cnn", **flags)
    assert config["encoder"] == {"type": "cnn", "num_filter_ratios": [3], "kernel_size": 2}
    assert config["model"]["hidden_layers"] == [48]
    assert converted(SAMPLE_CONFIG, encoder_type="rnn", lstm_num_units="9")["encoder"]["num_units"] == 9


def test_it_is_for_the_app() -> None:
    config = converted(SAMPLE_CONFIG, build_vocabs="true")
    assert config["export"]["layout"] == "reference"
    assert config["examples"]["tfrecord"]["layout"] == "original_2020"
    assert changes(SAMPLE_CONFIG)["item_vocab_size"] is None


def test_each_users_last_item_is_the_test_as_it_was() -> None:
    assert converted(SAMPLE_CONFIG)["evaluation"]["protocol"] == "leave_one_out"
    (said,) = [one for one in convert_sample_config(SAMPLE_CONFIG, {}).changes if one.field == "evaluation"]
    assert said.ours == "evaluation.protocol: leave_one_out"
    assert "the item before each is held out too" in said.why
    assert "--train_data_fraction" not in changes(SAMPLE_CONFIG)
    split = convert_sample_config(SAMPLE_CONFIG, {"train_data_fraction": "0.8"})
    assert split.config["examples"]["train_data_fraction"] == 0.8
    (said,) = [one for one in split.changes if one.field == "--train_data_fraction"]
    assert "without effect" in said.why


def test_it_says_why_items_seen_are_left_out_here_and_not_in_the_preset() -> None:
    assert converted(SAMPLE_CONFIG)["repeats"] is False
    (said,) = [one for one in convert_sample_config(SAMPLE_CONFIG, {}).changes if one.field == "items seen"]
    assert "preset `reference`" in said.why
    assert load({"preset": "reference"}).repeats is True


@pytest.mark.parametrize(
    ("differs", "flags", "pointer", "said"),
    [
        ({"lstm_num_units": None}, {"encoder_type": "rnn"}, "/sample_config/lstm_num_units", "such as 64"),
        ({"conv_num_filter_ratios": None}, {"encoder_type": "cnn"}, "/sample_config/conv_num_filter_ratios", "2,4"),
        ({"context_embedding_dim": None}, {}, "/sample_config/context_embedding_dim", "must be given"),
        ({"label_embedding_dim": None}, {}, "/sample_config/label_embedding_dim", "must be given"),
        ({"lstm_num_units": "16"}, {}, "/sample_config/lstm_num_units", "found 16"),
        ({"lstm_num_units": True}, {}, "/sample_config/lstm_num_units", "found True"),
        ({"lstm_num_units": 1024}, {"encoder_type": "rnn"}, "/sample_config/lstm_num_units", "512"),
        ({"item_vocab_size": -1}, {}, "/sample_config/item_vocab_size", "from 1"),
        ({"eval_top_k": 5}, {}, "/sample_config/eval_top_k", "list of whole numbers"),
        ({"eval_top_k": [1.5]}, {}, "/sample_config/eval_top_k", "list of whole numbers"),
        ({"eval_top_k": [5000]}, {}, "/sample_config/eval_top_k", "1000"),
        ({"hidden_layer_dim_ratios": [1, "2"]}, {}, "/sample_config/hidden_layer_dim_ratios", "numbers above 0"),
        ({"hidden_layer_dim_ratios": [1, 0]}, {}, "/sample_config/hidden_layer_dim_ratios", "numbers above 0"),
        ({"hidden_layer_dim_ratios": [1, 0.5]}, {}, "/sample_config/hidden_layer_dim_ratios", "16 wide"),
        ({"hidden_layer_dim_ratios": [900, 1]}, {}, "/sample_config/hidden_layer_dim_ratios", "2048"),
        ({}, {"hidden_layer_dims": "64"}, "/flags/hidden_layer_dims", "64 wide"),
        ({}, {"hidden_layer_dims": "-5,32"}, "/flags/hidden_layer_dims", "greater than or equal to 1"),
        ({"encoder_type": "gru"}, {}, "/sample_config/encoder_type", "one of bow, cnn, rnn"),
        ({"conv_kernel_sise": 4}, {}, "/sample_config/conv_kernel_sise", "did you mean 'conv_kernel_size'?"),
        ({"a/b~c": 4}, {}, "/sample_config/a~1b~0c", "known here"),
        ({"label_embedding_dim": 1, "hidden_layer_dim_ratios": []}, {}, "/sample_config/label_embedding_dim", "2"),
        ({"num_predictions": 5000}, {}, "/sample_config/num_predictions", "1000"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_key(
    differs: dict[str, Any], flags: dict[str, str], pointer: str, said: str
) -> None:
    document = {key: value for key, value in {**SAMPLE_CONFIG, **differs}.items() if value is not None}
    with pytest.raises(ConfigInvalid) as caught:
        convert_sample_config(document, flags)
    (fault,) = caught.value.errors
    assert fault.pointer == pointer
    assert said in fault.detail


NUMBERS = st.one_of(
    st.integers(-2, 100), st.floats(-1, 5), st.booleans(), st.none(), st.just(10**30), st.text(max_size=3)
)
VALUES = st.one_of(NUMBERS, st.lists(NUMBERS, max_size=4), st.just({}))


@given(
    st.dictionaries(st.sampled_from([*SAMPLE_CONFIG, "encoder_type", "other"]), VALUES, max_size=4),
    st.dictionaries(
        st.sampled_from(
            ["encoder_type", "hidden_layer_dims", "max_history_length", "lstm_num_units", "num_predictions"]
        ),
        st.sampled_from(["cnn", "rnn", "1", "32", "2,32", "0", "-7", "", "1e3", "inf"]),
        max_size=3,
    ),
)
def test_any_document_is_converted_to_one_that_loads_or_refused(differs: dict[str, Any], flags: dict[str, str]) -> None:
    try:
        conversion = convert_sample_config({**SAMPLE_CONFIG, **differs}, flags)
    except ConfigInvalid as error:
        pointers = [fault.pointer for fault in error.errors]
    else:
        load(conversion.config)
        return
    assert pointers
    assert all(pointer.startswith(("/sample_config/", "/flags/")) for pointer in pointers)
