"""The newer kind: a text proto of `InputConfig` and the flags of `recommendation_model_launcher`."""

from __future__ import annotations

from collections.abc import Mapping

from reco_core.config.original import checks, common
from reco_core.config.original.conversion import Conversion, Draft, Place
from reco_core.config.original.encoders import EncoderParameters
from reco_core.config.original.features import GENRES, Ids, find_ids, fits_the_app, place, put_features
from reco_core.config.original.flags import Given
from reco_core.config.original.text_proto import InputConfig, OriginalFeature, parse

DEFAULT_PREDICTIONS = 5
_DEFAULT_UNITS = 64


def convert_input_config(text: str, flags: Mapping[str, str]) -> Conversion:
    """Our config for a text proto of `InputConfig` and the flags that it was used with.

    Raises:
        ConfigInvalid: not such a text (line and column are named), unknown flags, a config that makes no sense; the
            details name fields such as `activity_feature_groups[1].features[0].embedding_dim`, and `errors` point into
            `{input_config, flags}`.
    """
    config = parse(text)
    draft = Draft(Place("/input_config", ""))
    given = Given(flags, draft)
    checks.check(config, draft)
    ids = find_ids(config, draft)
    if ids is not None:
        checks.check_names(config, ids, draft)
        _check_flags(config, ids, given, draft)
    draft.require_sound()
    if ids is None or config.label is None:
        raise AssertionError("a config without ids or label has faults")
    dim = config.label.embedding_dim or 0
    put_features(draft, config, ids, _parameters(draft, config, given, dim))
    _put_tables(draft, config.label, ids)
    _put_layout(draft, config, ids)
    if "hidden_layer_dims" in given:
        draft.put("model.hidden_layers", given.get("hidden_layer_dims"), given.place("hidden_layer_dims"))
    common.put_model(draft, {group.encoder for group in (*config.activity_groups, *config.global_groups)})
    common.put_data(draft, given)
    genres = _genres(config)
    common.put_tfrecords(draft, given, "original", genres.length if genres is not None else None)
    common.put_training(draft, given)
    common.put_random_split(draft)
    common.put_evaluation(draft, given, None, DEFAULT_PREDICTIONS)
    if "num_predictions" not in given:
        draft.change(
            "--num_predictions",
            f"{DEFAULT_PREDICTIONS} (default)",
            f"export.top_k: {DEFAULT_PREDICTIONS}",
            "the launcher's default, kept; without it export.top_k is 100",
        )
    return draft.finish()


def _check_flags(config: InputConfig, ids: Ids, given: Given, draft: Draft) -> None:
    """Flags of the generator and of the older launcher say again what the text says: they have to agree."""
    lengths: list[tuple[str, OriginalFeature]] = [
        (name, ids.feature) for name in ("max_context_length", "max_history_length")
    ]
    if (genres := _genres(config)) is not None:
        lengths.append(("max_context_movie_genre_length", genres))
    for name, feature in lengths:
        if name in given and feature.length and given.get(name) != feature.length:
            detail = f"{given.get(name)}, but {feature.path}.feature_length is {feature.length}; make them equal"
            draft.fault(given.place(name), "lengths_differ", detail)
    if "encoder_type" in given and given.get("encoder_type") != ids.group.encoder:
        detail = f"{given.get('encoder_type')}, but {ids.group.path}.encoder_type is {ids.group.encoder}; leave it out"
        draft.fault(given.place("encoder_type"), "contradiction", detail)


def _genres(config: InputConfig) -> OriginalFeature | None:
    return next((one for group in config.activity_groups for one in group.features if one.name == GENRES), None)


def _parameters(draft: Draft, config: InputConfig, given: Given, dim: int) -> EncoderParameters:
    kernel, units = given.get("conv_kernel_size"), given.get("lstm_num_units")
    encoders = {group.encoder for group in (*config.activity_groups, *config.global_groups)}
    if units is None and "rnn" in encoders:
        draft.change(
            "--lstm_num_units",
            "4 (default)",
            f"num_units: {_DEFAULT_UNITS}",
            "four numbers can't hold what a user likes",
        )
    names = ("conv_num_filter_ratios", "conv_kernel_size", "lstm_num_units")
    return EncoderParameters(
        filter_ratios=given.get("conv_num_filter_ratios"),
        kernel_size=4 if kernel is None else kernel,
        units=_DEFAULT_UNITS if units is None else units,
        places={name: given.place(name) for name in names},
        width=dim,
        embedding_dim=dim,
    )


def _put_tables(draft: Draft, label: OriginalFeature, ids: Ids) -> None:
    """The items' one table, and the layers above the encoders."""
    feature = ids.feature
    draft.put("examples.max_history_length", feature.length, place(feature.path, "feature_length"))
    draft.put("model.embedding_dim", label.embedding_dim, place(label.path, "embedding_dim"))
    if feature.embedding_dim != label.embedding_dim:
        draft.change(
            f"{feature.path}.embedding_dim",
            feature.embedding_dim,
            f"model.embedding_dim: {label.embedding_dim}",
            f"one table serves as input and output; its size is that of {label.path}",
        )
    draft.change(
        "item ids",
        f"two tables: {feature.path} with {feature.vocab_size} rows, {label.path} with {label.vocab_size}",
        "one table with a row for each item of the data",
        "the vocabulary comes from the data, so no row is spent on ids without an item; half the size",
    )


def _put_layout(draft: Draft, config: InputConfig, ids: Ids) -> None:
    name = ids.feature.name
    if fits_the_app(config, ids):
        draft.put("export.layout", "reference")
        draft.change(
            f"input {name}",
            f"int32[{ids.feature.length}]",
            "export.layout: reference",
            "the inputs, outputs and assets that the original's Android app loads; it needs whole numbers as item ids. "
            "`layout: default` takes any ids and serves other clients",
        )
        return
    ours = "export.layout: default, input `history`"
    if ids.feature.vocab_name is None:
        draft.put("export.ids", "raw")
        ours += ", export.ids: raw"
    draft.change(
        f"input {name}",
        f"int32[{ids.feature.length}]",
        ours,
        "the original's app feeds movie ids and genres only; other features are inputs by their own names",
    )
