"""Bytes of each exported variant: its weights, and the graph around them.

The weights follow from the config. What the graph costs was measured on some fifty exports of all encoders: it grows
with the number of operations, for an unrolled LSTM 8 kB a step, and not with the tables. `dynamic_int8` has more
operations, without names.
"""

from __future__ import annotations

from collections.abc import Mapping

from reco_core.config.encoders import Cnn, Gru, Rnn, Transformer
from reco_core.config.estimate.budget import neighbour_bytes
from reco_core.config.estimate.parameters import (
    dense_matrices,
    encoder_matrices,
    feature_groups,
    feature_tables,
    group_matrices,
)
from reco_core.config.estimate.workload import Workload
from reco_core.config.export import VariantName
from reco_core.config.features import GlobalGroup
from reco_core.config.job import JobConfig

MOST_BYTES = 2**31 - 1  # a FlatBuffer's offsets have 31 bits
MOST_UNROLLED_STEPS = 50  # as in reco_core.model.context_encoders.recurrent
_GRAPH: Mapping[VariantName, int] = {"float32": 11_850, "float16": 13_500, "dynamic_int8": 18_100}
_EXCLUSION = 2_040  # of items from the answer, which `repeats` does without unless there is `exclude_ids`
_EXCLUDE_IDS = 260
_FEATURE = 7_000
_MEAN = 1_500  # of a group's features
_DENSE: Mapping[VariantName, int] = {"float32": 800, "float16": 1_300, "dynamic_int8": 300}  # a further layer
_CONVOLUTION: Mapping[VariantName, int] = {"float32": 3_750, "float16": 4_750, "dynamic_int8": 1_500}
_FURTHER_CONVOLUTION = 2_850
_UNROLLED_STEP: Mapping[VariantName, int] = {"float32": 8_050, "float16": 8_150, "dynamic_int8": 5_200}
_ATTENTION: Mapping[VariantName, int] = {"float32": 9_800, "float16": 10_500, "dynamic_int8": 7_900}
_BLOCK: Mapping[VariantName, int] = {"float32": 24_200, "float16": 27_100, "dynamic_int8": 19_700}  # of a transformer
_SMOOTHING: Mapping[VariantName, int] = {"float32": 5_300, "float16": 5_800, "dynamic_int8": 3_900}  # of each block
_LOOP: Mapping[VariantName, int] = {"float32": 27_500, "float16": 29_500, "dynamic_int8": 19_700}
_METADATA = 2_250  # texts, a reference to each tensor's buffer, the directory of the zip
_METADATA_STEP = 230  # references to the tensors of an unrolled step
_METADATA_LOOP = 850
_METADATA_FEATURE = 500
_RAW_IDS = 4_300  # the lookups of raw ids
_RAW_ID = 12  # an item in their tables; 8 where ids lie close together, up to 36 where a table has gaps
_NEIGHBOURS = 6_900  # the graph of the neighbour head, in both signatures, and what metadata say of its tensors
_GOLDEN_AND_REPORT = 60_000  # report.json, golden.json, manifest.json
_ITEM_LINE = 60  # punctuation of an item in items.json
_ITEM_FEATURE = 16  # an item's value of a feature there


def variant_bytes(config: JobConfig, work: Workload) -> dict[VariantName, int]:
    """The size of each variant that is made; float32 always is."""
    names: list[VariantName] = ["float32", *(name for name in config.export.variants if name != "float32")]
    beside = _raw_ids(config, work) + _neighbours(config, work)
    plain = {name: _weights(name, config, work) + _graph(name, config) + beside for name in names}
    return {name: size + _metadata(config, work, size) for name, size in plain.items()}


def bundle_bytes(config: JobConfig, work: Workload, variants: Mapping[VariantName, int]) -> int:
    """The size of the whole bundle: all variants, the default one again as model.tflite, and vocabularies."""
    files = sum(variants.values()) + variants[config.export.default_variant]
    # ids stand in items.txt and in items.json; titles and attribute values in the latter
    line = _ITEM_LINE + _ITEM_FEATURE * sum(1 for _ in config.features.every())
    return files + 2 * work.text_bytes + line * work.vocabulary + _GOLDEN_AND_REPORT


def _weights(name: VariantName, config: JobConfig, work: Workload) -> int:
    rows, dim = work.vocabulary + 1, config.model.embedding_dim  # attributes are folded in, and row 0 is padding
    features = (*group_matrices(config), *feature_tables(config, work))
    others = sum(one.weights + one.bias for one in (*encoder_matrices(config), *dense_matrices(config), *features))
    if name == "dynamic_int8":
        # a code for each number of a row, its bias and its scale; everything else is float16
        return rows * (dim + 2) + 2 * others
    return (4 if name == "float32" else 2) * (rows * dim + (rows - 1 if config.model.item_bias else 0) + others)


def _graph(name: VariantName, config: JobConfig) -> int:
    encoder, length = config.encoder, config.export_history_length
    size = _GRAPH[name] + _DENSE[name] * len(config.model.hidden_layers)
    size += _FEATURE * sum(1 for _ in config.features.every()) + _groups(name, config)
    if config.export.exclude_ids:
        size += _EXCLUDE_IDS
    elif config.repeats:
        size -= _EXCLUSION
    if isinstance(encoder, Cnn):
        return size + _CONVOLUTION[name] + _FURTHER_CONVOLUTION * (len(encoder.num_filter_ratios) - 1)
    if isinstance(encoder, Transformer):
        return size + _ATTENTION[name] + _blocks(name, encoder)
    if isinstance(encoder, Rnn | Gru) and length <= MOST_UNROLLED_STEPS:
        return size + _UNROLLED_STEP[name] * length
    if isinstance(encoder, Rnn | Gru):
        return size + _LOOP[name] + (4 if name == "float32" else 2) * length * encoder.num_units
    return size


def _blocks(name: VariantName, encoder: Transformer) -> int:
    return encoder.blocks * (_BLOCK[name] + (_SMOOTHING[name] if encoder.smoothing else 0))


def _groups(name: VariantName, config: JobConfig) -> int:
    """What the encoders of the feature groups add."""
    size = 0
    for group in feature_groups(config):
        first = group.features[0]
        flat, of_user = first.layout == "flat", isinstance(group, GlobalGroup)
        longest = max(feature.length or 1 for feature in group.features)
        length = first.flat_length if flat else longest if of_user else config.export_history_length
        if isinstance(group.encoder, Cnn):
            size += _CONVOLUTION[name] + _FURTHER_CONVOLUTION * (len(group.encoder.num_filter_ratios) - 1)
        elif isinstance(group.encoder, Transformer):
            size += _ATTENTION[name] + _blocks(name, group.encoder)
        elif isinstance(group.encoder, Rnn | Gru):
            size += _UNROLLED_STEP[name] * length if length <= MOST_UNROLLED_STEPS else _LOOP[name]
        else:
            size += _MEAN
    return size


def _raw_ids(config: JobConfig, work: Workload) -> int:
    return _RAW_IDS + _RAW_ID * work.vocabulary if config.export.raw_ids else 0


def _neighbours(config: JobConfig, work: Workload) -> int:
    """The neighbour head, whole numbers in every variant."""
    return _NEIGHBOURS + neighbour_bytes(config, work.vocabulary) if config.model.neighbours else 0


def _metadata(config: JobConfig, work: Workload, plain: int) -> int:
    """What a file of `plain` bytes says of itself, and the raw ids; nothing where the budget has no room for it."""
    size = _metadata_size(config, work)
    budget = config.export.max_bytes
    return 0 if budget is not None and plain <= budget < plain + size else size


def _metadata_size(config: JobConfig, work: Workload) -> int:
    if not config.export.metadata:
        return 0
    size = _METADATA + _METADATA_FEATURE * sum(1 for _ in config.features.every()) + work.id_bytes + work.vocabulary
    if not isinstance(config.encoder, Rnn | Gru):
        return size
    length = config.export_history_length
    return size + (_METADATA_STEP * length if length <= MOST_UNROLLED_STEPS else _METADATA_LOOP)
