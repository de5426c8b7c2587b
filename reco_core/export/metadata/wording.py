"""What the signatures mean, in the words that a reader of the metadata sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reco_core.export.metadata.texts import AssociatedFile, FileKind, ModelText, SignatureText, TensorText
from reco_core.export.serving import EMPTY_SCORE, InputSpec, ServingShape

FORMAT_VERSION = "1"  # of the signatures, as in the manifest
ITEMS = "items"
_BATCH = "batch"


def describe(shape: ServingShape, vocabularies: Mapping[str, Sequence[str]]) -> ModelText:
    """The texts of a file in the layout `default`.

    Args:
        vocabularies: lines in index order, of the items under "items" and of features under the name of their input.
    """
    features = {spec.name: _feature(spec, shape, spec.name in vocabularies) for spec in shape.features}
    inputs = {"history": _history(shape), **features}
    excluded = {"exclude_ids": _indices("Items to leave out, by index; 0 in unused slots.", "slot", shape)}
    left_out = "" if shape.repeats else " Items of the history are left out."
    recommend = SignatureText(
        f"The best {shape.top_k} items for a history.{left_out}",
        {**inputs, **(excluded if shape.exclude_ids else {})},
        {
            "ids": _indices("Item indices, best first; 0 in empty slots.", "rank", shape, FileKind.VALUE_LABELS),
            "scores": TensorText(f"Scores of ids; {EMPTY_SCORE:g} in empty slots.", (_BATCH, "rank")),
        },
    )
    score_all = SignatureText(
        "The scores of all items; none is left out.",
        inputs,
        {"scores": TensorText("Scores in index order: position p is the item of index p + 1.", (_BATCH, "item"))},
    )
    encode_context = SignatureText(
        "The history as a vector, whose product with an item's vector is the item's score but for its bias.",
        inputs,
        {"context": TensorText("The vector.", (_BATCH, "dimension"))},
    )
    return ModelText(
        name="PocketRec recommender",
        description=f"Ranks {shape.items:,} items for a user by the newest {shape.history_length} of their history.",
        version=FORMAT_VERSION,
        author="PocketRec",
        signatures={"recommend": recommend, "score_all": score_all, "encode_context": encode_context},
        files=tuple(_file(name, lines) for name, lines in vocabularies.items()),
    )


def _history(shape: ServingShape) -> TensorText:
    return _indices(
        f"Item indices, oldest first, left-aligned, 0 after the last; the newest {shape.history_length} where there "
        "are more.",
        "position",
        shape,
    )


def _indices(description: str, dimension: str, shape: ServingShape, kind: FileKind = FileKind.VOCABULARY) -> TensorText:
    return TensorText(description, (_BATCH, dimension), f"{ITEMS}.txt", kind, (0, shape.items))


def _feature(spec: InputSpec, shape: ServingShape, vocabulary: bool) -> TensorText:
    aligned = len(spec.shape) > 1 and spec.shape[1] == shape.history_length
    where = "of the items of the history, position by position" if aligned else "0 after the last"
    if vocabulary:
        what, file = "by index; 0: none, 1: not in the vocabulary", f"{spec.name}.txt"
    else:
        what, file = ("as whole numbers" if spec.dtype == "int32" else "as they are"), None
    names = (_BATCH, "position" if aligned else "value", "value")
    return TensorText(f"Values of {spec.name} {what}; {where}.", names[: len(spec.shape)], file)


def _file(name: str, lines: Sequence[str]) -> AssociatedFile:
    what = "the raw item id" if name == ITEMS else f"the value of {name}"
    return AssociatedFile(f"{name}.txt", f"Line n, from 0, is {what} of index n.", tuple(lines))
