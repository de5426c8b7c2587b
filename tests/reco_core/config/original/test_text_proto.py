"""Text protos are read as the original reads them; what isn't one is refused with line and column."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.config.original.text_proto import MAX_CHARACTERS, parse
from reco_core.errors import ConfigInvalid
from tests.reco_core.config.original.samples import GENRES, IDS, INPUT_CONFIG, LABEL, group


def refusal(text: str) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        parse(text)
    (fault,) = caught.value.errors
    assert (fault.pointer, fault.code) == ("/input_config", "text_proto_invalid")
    assert fault.detail in caught.value.message
    return fault.detail


def test_groups_features_and_label_are_read() -> None:
    found = parse(INPUT_CONFIG)
    assert [one.encoder for one in found.activity_groups] == ["cnn", "bow"]
    assert [[feature.name for feature in one.features] for one in found.activity_groups] == [
        ["context_movie_id", "context_movie_rating"],
        ["context_movie_genre"],
    ]
    ids, rating = found.activity_groups[0].features
    assert (ids.kind, ids.vocab_size, ids.embedding_dim, ids.length, ids.vocab_name) == ("int", 3953, 8, 10, None)
    assert (rating.kind, rating.vocab_size, rating.path) == ("float", None, "activity_feature_groups[0].features[1]")
    genres = found.activity_groups[1].features[0]
    assert (genres.kind, genres.vocab_name) == ("string", "movie_genre_vocab.txt")
    assert found.global_groups == ()
    assert found.label is not None
    assert found.label.name == "label_movie_id"


def test_both_spellings_of_messages_comments_numbers_and_lists_mean_the_same() -> None:
    spelt = """# a comment
    activity_feature_groups: {  # another
      features: [{ feature_name: 'context_movie_id', feature_type: 1; vocab_size: 0xF71
                   embedding_dim: 8 feature_length: 10 }]
      encoder_type: CNN
    }
    label_feature: < feature_name: "label_" "movie_id" feature_type: INT vocab_size: 3953 embedding_dim: 8 >"""
    assert parse(spelt) == parse(group(IDS, encoder="CNN") + LABEL)


def test_what_is_absent_means_the_first_value_of_its_enum() -> None:
    found = parse('activity_feature_groups { features { feature_name: "a" } }')
    assert found.activity_groups[0].encoder == "bow"
    assert found.activity_groups[0].features[0].kind == "string"
    assert found.label is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"# one\n{group('featur_name: 1')}", "line 3 column 14: Feature has no field 'featur_name'; did you mean 'fe"),
        ("  label { }", "line 1 column 3: InputConfig has no field 'label'; known here: global_feature_groups"),
        (group(IDS, encoder="GRU"), "line 3 column 17: unknown encoder GRU; choose one of: BOW, CNN, LSTM"),
        (group(IDS, encoder="7"), "line 3 column 17: unknown encoder 7; choose one of: BOW, CNN, LSTM"),
        (group(IDS.replace("INT", "INTEGER")), "unknown feature type INTEGER; choose one of: STRING, INT, FLOAT"),
        (group(IDS.replace("3953", "many")), "line 2 column 77: '  features"),
        (group(IDS.replace("3953", "9" * 30)), "Value out of range"),
        ("label_feature {", "line 1 column 15: Expected"),
        (f"{LABEL}\n{LABEL}", "line 2 column 15: Message type"),
        ('label_feature { feature_name: "\\377" }', "line 1 column 38"),
        ("label_feature {\n feature_name: '\udc80' }", "line 2 column 17: not Unicode text"),
        (f"#{'x' * MAX_CHARACTERS}", "longer than 262,144 characters"),
        ('{"context_embedding_dim": 8}', "line 1 column 1"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: str) -> None:
    detail = refusal(text)
    assert said in detail
    assert len(detail) < 400


PIECES = st.sampled_from(
    [
        *("activity_feature_groups", "global_feature_groups", "label_feature", "features", "feature_name"),
        *(
            "feature_type",
            "vocab_size",
            "encoder_type",
            "{",
            "}",
            "<",
            ">",
            "[",
            "]",
            ":",
            ",",
            ";",
            "#",
            "\n",
            '"',
            "'",
        ),
        *(
            '"a"',
            "INT",
            "CNN",
            "5",
            "-1",
            "0x",
            "1.5",
            "\\",
            "\0",
            "[a.b/c]",
            "1e400",
            "é",
            "true",
            "inf",
            GENRES,
            LABEL,
        ),
    ]
)


@given(
    st.one_of(
        st.lists(PIECES, max_size=30).map(" ".join), st.text(max_size=80), st.text("{}[]<>:\"'\\\n#", max_size=40)
    )
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except ConfigInvalid as error:
        pointers = [fault.pointer for fault in error.errors]
    else:
        return
    assert pointers == ["/input_config"]


def test_neither_tensorflow_nor_its_protos_are_needed() -> None:
    script = (
        "import sys; from reco_core.config.original.text_proto import parse; parse('')\n"
        "print([name for name in ('tensorflow', 'keras', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
