"""The older kind: `sample_config.json` and the flags of `recommendation_model_launcher_keras`."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, cast

from reco_core.config.original import common
from reco_core.config.original.conversion import Conversion, Draft, Place, shown
from reco_core.config.original.encoders import EncoderParameters
from reco_core.config.original.flags import Given
from reco_core.config.original.text_proto import EncoderKind

_WHOLE = ("context_embedding_dim", "label_embedding_dim", "item_vocab_size", "conv_kernel_size", "lstm_num_units")
_RATIOS = ("hidden_layer_dim_ratios", "conv_num_filter_ratios")
# The launcher adds the last two from its flags; files that others made have them inside.
_KEYS = (*_WHOLE, *_RATIOS, "eval_top_k", "encoder_type", "num_predictions")
_LARGEST = 1_000_000


def convert_sample_config(document: Mapping[str, Any], flags: Mapping[str, str]) -> Conversion:
    """Our config for a `sample_config.json` and the flags that it was used with. Flags win over the document.

    Raises:
        ConfigInvalid: unknown keys or flags, values that don't fit; `errors` point into `{sample_config, flags}`.
    """
    draft = Draft(Place("/sample_config", ""))
    given = Given(flags, draft)
    values = _read(document, draft)
    draft.require_sound()
    label, context = values["label_embedding_dim"], values["context_embedding_dim"]
    kind = _encoder(values, given, draft)
    length = _put_lengths(draft, given)
    draft.put("model.embedding_dim", label, _at("label_embedding_dim"))
    if context != label:
        draft.change(
            "context_embedding_dim",
            context,
            f"model.embedding_dim: {label}",
            "one table serves as input and output; its size is that of label_embedding_dim",
        )
    parameters = _parameters(values, given, context, label)
    draft.derive("/encoder", _at("encoder_type") if "encoder_type" in values else given.place("encoder_type"))
    draft.put("encoder", parameters.encoder(draft, kind, "/encoder", length))
    _put_hidden(draft, given, values)
    _put_inputs(draft, values, given.get("max_history_length") or length)
    common.put_model(draft, {kind})
    common.put_data(draft, given)
    common.put_tfrecords(draft, given, "original_2020")
    common.put_training(draft, given)
    common.put_last_items(draft, given)
    common.put_evaluation(draft, given, values.get("eval_top_k"), values.get("num_predictions", 100))
    for key in ("eval_top_k", "num_predictions"):
        if key in values and key not in given:
            draft.derive({"eval_top_k": "/evaluation/k", "num_predictions": "/export/top_k"}[key], _at(key))
    return draft.finish()


def _at(key: str) -> Place:
    return Place("/sample_config/" + key.replace("~", "~0").replace("/", "~1"), key)


def _read(document: Mapping[str, Any], draft: Draft) -> dict[str, Any]:
    """The values of the known keys, each of its type; faults are noted."""
    values: dict[str, Any] = {}
    for key, value in document.items():
        if key not in _KEYS:
            close = get_close_matches(str(key), _KEYS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(_KEYS)}"
            draft.fault(_at(str(key)), "unknown_field", f"unknown field; {hint}")
        elif key in _RATIOS or key == "eval_top_k":
            number: type | tuple[type, ...] = int if key == "eval_top_k" else (int, float)
            if _is_list_of(value, number):
                values[key] = list(value)
            else:
                what = "whole numbers from 1" if key == "eval_top_k" else "numbers above 0"
                draft.fault(_at(key), "value_invalid", f"expected a list of {what}, found {shown(value)}")
        elif key == "encoder_type":
            if value in ("bow", "cnn", "rnn"):
                values[key] = value
            else:
                draft.fault(_at(key), "unknown_encoder", f"expected one of bow, cnn, rnn, found {shown(value)}")
        elif _is_number(value, int):
            values[key] = value
        else:
            draft.fault(_at(key), "value_invalid", f"expected a whole number from 1, found {shown(value)}")
    for key in ("context_embedding_dim", "label_embedding_dim"):
        if key not in document:
            draft.fault(_at(key), "missing", "the size of the embeddings must be given, such as 64")
    return values


def _is_number(value: object, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and 0 < cast("float", value) <= _LARGEST


def _is_list_of(value: object, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, list | tuple) and all(_is_number(one, kind) for one in value)


def _encoder(values: Mapping[str, Any], given: Given, draft: Draft) -> EncoderKind:
    if "encoder_type" in given:
        return cast("EncoderKind", given.get("encoder_type"))
    if "encoder_type" in values:
        return cast("EncoderKind", values["encoder_type"])
    draft.change(
        "--encoder_type", "bow (default)", "encoder.type: bow", "the launcher's default; cnn and rnn see the order"
    )
    return "bow"


def _put_lengths(draft: Draft, given: Given) -> int:
    """The length of histories in training is the example generator's, that of the exported file the launcher's."""
    exported = given.get("max_history_length")
    trained = given.get("max_context_length")
    length = trained if trained is not None else exported if exported is not None else 10
    source = "max_context_length" if trained is not None else "max_history_length"
    draft.put("examples.max_history_length", length, given.place(source))
    if exported is not None and exported != length:
        draft.put("export.history_length", exported, given.place("max_history_length"))
    return int(length)


def _parameters(values: Mapping[str, Any], given: Given, context: int, label: int) -> EncoderParameters:
    names = ("conv_num_filter_ratios", "conv_kernel_size", "lstm_num_units")
    said = {name: given.get(name) if name in given else values.get(name) for name in names}
    places = {name: given.place(name) if name in given else _at(name) for name in names}
    kernel = said["conv_kernel_size"]
    return EncoderParameters(
        said["conv_num_filter_ratios"], 4 if kernel is None else kernel, said["lstm_num_units"], places, context, label
    )


def _put_hidden(draft: Draft, given: Given, values: Mapping[str, Any]) -> None:
    """Hidden layers. The original's last one makes the vector for the dot product, which is our projection."""
    context, label = values["context_embedding_dim"], values["label_embedding_dim"]
    if "hidden_layer_dims" in given:
        place, exact = given.place("hidden_layer_dims"), [float(width) for width in given.get("hidden_layer_dims")]
    else:
        place = _at("hidden_layer_dim_ratios")
        exact = [ratio * context for ratio in values.get("hidden_layer_dim_ratios", ())]
    widths = [max(1, round(width)) if width > 0 else round(width) for width in exact]  # our config refuses 0 and below
    if any(ours != theirs for ours, theirs in zip(widths, exact, strict=True)):
        draft.change(
            place.name, shown([f"{width:g}" for width in exact]), f"{widths}", "layers have whole widths; rounded"
        )
    if widths and widths[-1] != label:
        draft.fault(
            place,
            "widths_differ",
            f"the last layer is {widths[-1]} wide, label_embedding_dim is {label}, and their dot product needs one "
            f"width; end with {label / context:g} x context_embedding_dim",
        )
    hidden = widths[:-1]
    draft.put("model.hidden_layers", hidden, place)
    if widths:
        draft.change(
            place.name,
            shown(widths),
            f"model.hidden_layers: {hidden}",
            "they multiply context_embedding_dim, and the last one is the projection, which every model here has",
        )


def _put_inputs(draft: Draft, values: Mapping[str, Any], length: int) -> None:
    draft.put("export.layout", "reference")
    draft.change(
        "input `context`",
        f"int32[{length}]",
        "export.layout: reference",
        "the inputs, outputs and assets that the original's Android app loads; it needs whole numbers as item ids. "
        "`layout: default` takes any ids and serves other clients",
    )
    if "item_vocab_size" in values:
        draft.change(
            "item_vocab_size", values["item_vocab_size"], None, "the vocabulary comes from the data: the items there"
        )
