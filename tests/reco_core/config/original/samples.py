"""Configs as users of the original have them: the same fields as its own examples, written here."""

from __future__ import annotations

from typing import Any

IDS = 'feature_name: "context_movie_id" feature_type: INT vocab_size: 3953 embedding_dim: 8 feature_length: 10'
RATING = 'feature_name: "context_movie_rating" feature_type: FLOAT feature_length: 10'
GENRES = (
    'feature_name: "context_movie_genre" feature_type: STRING vocab_name: "movie_genre_vocab.txt" '
    "vocab_size: 19 embedding_dim: 4 feature_length: 32"
)
YEAR = (
    'feature_name: "context_movie_year" feature_type: INT vocab_name: "movie_year_vocab.txt" '
    "vocab_size: 82 embedding_dim: 6 feature_length: 10"
)
LABEL = 'label_feature { feature_name: "label_movie_id" feature_type: INT vocab_size: 3953 embedding_dim: 8 }'
CNN_FLAGS = {"conv_num_filter_ratios": "2,4"}


def group(*features: str, encoder: str | None = None, kind: str = "activity") -> str:
    """A feature group in text form."""
    inside = "\n".join(f"  features {{ {feature} }}" for feature in features)
    return f"{kind}_feature_groups {{\n{inside}\n{f'  encoder_type: {encoder}' if encoder else ''}\n}}\n"


# Ids with ratings in a CNN, genres in a bag of words: what the original's launcher is tested with.
INPUT_CONFIG = group(IDS, RATING, encoder="CNN") + group(GENRES, encoder="BOW") + LABEL
IDS_ONLY = group(IDS) + LABEL
SAMPLE_CONFIG: dict[str, Any] = {
    "context_embedding_dim": 32,
    "label_embedding_dim": 32,
    "item_vocab_size": 3952,
    "hidden_layer_dim_ratios": [2, 1],
    "eval_top_k": [1, 5, 10],
    "conv_num_filter_ratios": [2, 4],
    "conv_kernel_size": 4,
    "lstm_num_units": 16,
}
