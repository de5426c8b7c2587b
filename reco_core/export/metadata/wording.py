"""What the signatures of the layout `default` mean, in the words that a reader of the metadata sees."""

from __future__ import annotations

from collections.abc import Mapping

from reco_core.examples import FeatureTable, Vocabulary
from reco_core.examples.words import one_line
from reco_core.export.metadata.texts import AssociatedFile, FileKind, ModelText, SignatureText, TensorText
from reco_core.export.serving import EMPTY_SCORE, ServingShape

FORMAT_VERSION = 1  # of the signatures; that of the manifest, which comes later in the pipeline
AUTHOR = "PocketRec"
NAME = "PocketRec recommender"
ITEMS_FILE = "items.txt"  # as in the bundle's folder `vocabulary`
_BATCH = "batch"


def describe(
    shape: ServingShape, vocabulary: Vocabulary, features: Mapping[str, FeatureTable], *, raw_ids: bool = False
) -> ModelText:
    """The texts of a file in the layout `default`.

    Args:
        features: by name of the input; those that aren't among `shape.features` are passed over.
        raw_ids: whether raw ids stand in the tensors instead of indices.
    """
    tables = [features[spec.name] for spec in shape.features]
    items = _Items(shape, raw_ids)
    inputs = {
        "history": items.tensor(
            f"oldest first, left-aligned, 0 after the last; the newest {shape.history_length} where there are more",
            "position",
        ),
        **{table.name: _feature(table, shape) for table in tables},
    }
    excluded = {"exclude_ids": items.tensor("not to be recommended; 0 in unused slots", "slot")}
    left_out = "" if shape.repeats else " Items of the history are left out."
    signatures = {
        "recommend": SignatureText(
            f"The best {shape.top_k} items for a history.{left_out}",
            inputs | (excluded if shape.exclude_ids else {}),
            {
                "ids": items.tensor("best first; 0 in empty slots", "rank", FileKind.VALUE_LABELS),
                "scores": TensorText(f"Scores of ids; {EMPTY_SCORE:g} in empty slots.", (_BATCH, "rank")),
            },
        ),
        "score_all": SignatureText(
            "The scores of all items; none is left out.",
            inputs,
            {"scores": TensorText("Scores in index order: position p is the item of index p + 1.", (_BATCH, "item"))},
        ),
        "encode_context": SignatureText(
            "The history as a vector, whose product with an item's vector is the item's score but for its bias.",
            inputs,
            {"context": TensorText("The vector.", (_BATCH, "dimension"))},
        ),
    }
    return ModelText(
        name=NAME,
        description=model_description(shape),
        version=str(FORMAT_VERSION),
        author=AUTHOR,
        signatures=signatures,
        files=(items_file(vocabulary), *(_feature_file(table) for table in tables if table.vocabulary is not None)),
    )


def model_description(shape: ServingShape) -> str:
    """What any of these models is."""
    return f"Ranks {shape.items:,} items for a user by the newest {shape.history_length} of their history."


def items_file(vocabulary: Vocabulary) -> AssociatedFile:
    """The raw ids; the same bytes as the bundle's file of this name."""
    return AssociatedFile(ITEMS_FILE, "Line n, from 0, is the raw id of the item of index n.", vocabulary.item_ids)


class _Items:
    """Tensors that hold items."""

    def __init__(self, shape: ServingShape, raw_ids: bool) -> None:
        self._largest = shape.items
        self._raw_ids = raw_ids

    def tensor(self, description: str, dimension: str, kind: FileKind = FileKind.VOCABULARY) -> TensorText:
        if self._raw_ids:
            return TensorText(f"Raw item ids, {description}.", (_BATCH, dimension))
        return TensorText(f"Item indices, {description}.", (_BATCH, dimension), ITEMS_FILE, kind, (0, self._largest))


def _feature(table: FeatureTable, shape: ServingShape) -> TensorText:
    dimensions: tuple[str, ...] = ("value",)
    if table.scope == "user":
        whose = "of the user"
    elif table.layout == "flat":
        whose = "of all interactions in history, one after the other"
    else:
        whose = "of the interactions in history, position by position"
        dimensions = ("position", "value")[: len(table.window_shape(shape.history_length))]
    if table.is_float:
        return TensorText(f"{table.name} {whose}; {table.fill:g} where there is none.", (_BATCH, *dimensions))
    bounds = (0, table.table_rows - 1)
    if table.bounds is not None:
        what = f"{table.name} {whose}: bucket, from 1, of the time since the interaction before; 0 before the first."
        until = ", ".join(map(str, table.bounds)) or "none"
        return TensorText(f"{what} Upper bounds: {until}.", (_BATCH, *dimensions), bounds=bounds)
    if table.vocabulary is None:
        what = f"{table.name} {whose}: 0 where there is none, {table.oov} for values from there on."
        return TensorText(what, (_BATCH, *dimensions), bounds=bounds)
    what = f"Indices of {table.name} {whose}: 0 where there is none, {table.oov} for any other value."
    return TensorText(what, (_BATCH, *dimensions), _file_name(table), bounds=bounds)


def _feature_file(table: FeatureTable) -> AssociatedFile:
    """The same bytes as the bundle's file of this name."""
    lines = tuple(map(one_line, table.vocabulary or ()))
    return AssociatedFile(_file_name(table), f"Line n, from 0, is the value of index n of {table.name}.", lines)


def _file_name(table: FeatureTable) -> str:
    return f"{table.name}.txt"
