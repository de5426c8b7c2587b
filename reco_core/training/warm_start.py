"""A new model that begins with the weights of an earlier one, whose vocabularies its own may have outgrown."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reco_core.config import EvaluationConfig
from reco_core.config.architecture import MISMATCH
from reco_core.errors import CheckpointMismatch, ConfigInvalid, FieldError, NoWeights
from reco_core.examples import FeatureTable, Vocabulary
from reco_core.model import DualEncoder
from reco_core.training.kept import BEST
from reco_core.training.row_labels import feature_tables, item_tables, row_labels, sources
from reco_core.training.weights import ModelWeights, read_weights


@dataclass(frozen=True)
class Base:
    """The weights to begin with, and whose they are."""

    weights: ModelWeights
    sha256: str  # of the file
    version: str | None  # "films@3", where they are a published version's


@dataclass(frozen=True)
class Carried:
    """What became of the base's items."""

    base: Base
    carried: int  # items that have the base's weights
    new: int  # items that the base didn't know
    dropped: int  # items of the base that are no more
    may_know_test_data: bool  # whether what is held out here may have been training data of the base

    def as_dict(self) -> dict[str, Any]:
        """The form in which manifest, report and weights state it."""
        # in the order of the keys, as files of weights have them: exported again it is to be the same to the byte
        return {
            "data_hash": self.base.weights.info.data_hash,
            "items": {"carried": self.carried, "dropped": self.dropped, "new": self.new},
            "may_know_test_data": self.may_know_test_data,
            "version": self.base.version,
            "weights_sha256": self.base.sha256,
        }


def find_weights(given: Path) -> Path:
    """The file of weights that `given` means: itself, or the best one of a run's bundle or work folder.

    Raises:
        NoWeights: there is none.
    """
    if given.is_file():
        return given
    # of a bundle `films` the work folder is `films.work`
    places = (given / "weights" / BEST, given / BEST, given.with_name(given.name + ".work") / "weights" / BEST)
    for path in places:
        if path.is_file():
            return path
    if not given.exists():
        raise NoWeights(f"{given}: no such file or folder; give a file of weights, or the folder of a training run")
    raise NoWeights(
        f"{given} holds no weights: none of {', '.join(map(str, places))} is there; a training leaves them in "
        "OUT.work, and a bundle alone has none: give that folder, or train the base again"
    )


def read_base(path: Path, version: str | None = None) -> Base:
    """The weights in a file that a training run left.

    Args:
        version: the published version that they belong to, such as `films@3`.

    Raises:
        NoWeights, CheckpointMismatch: the file is missing, damaged, or of another version of this software.
    """
    path = find_weights(path)
    weights = read_weights(path)
    with path.open("rb") as file:
        return Base(weights, hashlib.file_digest(file, "sha256").hexdigest(), version)


def carry_over(model: DualEncoder, vocabulary: Vocabulary, base: Base, evaluation: EvaluationConfig) -> Carried:
    """Give `model`, which `model.build` has just made, the base's weights.

    Rows of items, attribute values and values of features go to where the same raw id or value stands now; all other
    weights are taken as they are. What the base doesn't know stays as `build` made it, but for the biases of new items:
    they begin at the lowest of the base's, where items without interactions are after training.

    Args:
        evaluation: what is held out from the training that follows.

    Raises:
        ConfigInvalid: the model has another architecture; the first weight that differs is named.
        CheckpointMismatch: an earlier release wrote the file and left out what some rows stand for.
    """
    given = dict(zip(base.weights.names, base.weights.arrays, strict=True))
    wanted = {variable.path: variable for variable in model.trainable_variables}
    _require_same_names(given, wanted)
    items = sources(base.weights.item_ids, vocabulary.item_ids, 1)[1:] - 1  # [items], -1 for new ones
    rows = dict(_rows(model, base, items))
    for name, variable in wanted.items():
        old = given[name]
        if name not in rows:
            _require_shape(name, old.shape, tuple(variable.shape))
            variable.assign(old)
            continue
        _require_shape(name, old.shape[1:], tuple(variable.shape[1:]))
        value = variable.numpy()
        known = rows[name] >= 0
        value[known] = old[rows[name][known]]
        if value.ndim == 1:
            value[~known] = old.min()
        variable.assign(value)
    carried = int((items >= 0).sum())
    dropped = len(base.weights.item_ids) - 1 - carried
    return Carried(base, carried, len(items) - carried, dropped, _may_know(base, evaluation))


def stated(report: Mapping[str, Any], begun_with: Mapping[str, Any]) -> dict[str, Any]:
    """A report that also states what training began with (`Carried.as_dict`), and what to beware of."""
    warnings = [*report["warnings"]]
    if begun_with["may_know_test_data"]:
        warnings.append(
            "the base whose weights training began with was split in another way and may have learned from what is "
            "test data here, so that figures may read too high; train without a base to compare"
        )
    return {**report, "warnings": warnings, "training": {**report["training"], "base": dict(begun_with)}}


def _may_know(base: Base, ours: EvaluationConfig) -> bool:
    """Whether the base may have learned from what is test data now, if the log has done nothing but grow.

    What comes last is held out from an earlier log as from a later; users or pairs that are drawn are others each time.
    """
    info = base.weights.info
    theirs = info.config.evaluation
    same = theirs.protocol == ours.protocol and ours.protocol in ("leave_one_out", "temporal")
    earlier_cut = ours.protocol == "temporal" and ours.test_fraction > theirs.test_fraction
    inherited = info.base is not None and bool(info.base["may_know_test_data"])
    return not same or earlier_cut or ours.cold_items > 0 or inherited


def _rows(model: DualEncoder, base: Base, items: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Of each weight whose rows have a meaning its name, and the base's row for each of its rows or -1."""
    for name in item_tables(model):
        yield name, items
    labels = row_labels(model)
    for name, ours in labels.items():
        theirs = base.weights.rows.get(name)
        if theirs is None:
            raise CheckpointMismatch(
                f"the base's weights don't say what the rows of {name} stand for: an earlier release wrote them; "
                "train the base again with this one"
            )
        # "<pad>" of an attribute; of a feature "<oov>" too
        reserved = 1 if name == _attribute(model) else 2
        yield name, sources(theirs, ours, reserved)
    shapes = {name: array.shape for name, array in zip(base.weights.names, base.weights.arrays, strict=True)}
    for name, table in feature_tables(model):
        if name not in labels:
            yield name, by_place(table, shapes[name][0])


def by_place(table: FeatureTable, old_rows: int) -> NDArray[np.int64]:
    """Rows of a feature whose values are indices: each is its own, but for the last one if it is what lies beyond."""
    # sizes 4 -> 6, out of vocabulary last: 0 1 2 -1 -1 3
    beyond = 1 if table.oov else 0
    rows = np.arange(table.table_rows, dtype=np.int64)
    rows[rows >= old_rows - beyond] = -1
    if beyond:
        rows[-1] = old_rows - 1
    return rows


def _attribute(model: DualEncoder) -> str | None:
    table = model.label_encoder.attribute_embeddings
    return None if table is None else str(table.path)


def _require_same_names(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    for name in [*wanted, *given]:
        if name in given and name in wanted:
            continue
        if name.endswith("label_encoder/attribute_embeddings"):
            have, lacks = ("an attribute", "none") if name in wanted else ("no attribute", "one")
            detail = (
                f"the item table has {have} that is part of the items' embeddings, and the base's had {lacks}; give an "
                "item table like the base's or set model.item_attribute, or train without a base"
            )
            fault = FieldError("/model/item_attribute", MISMATCH, detail)
        else:
            there = "the base lacks" if name in wanted else "only the base has"
            detail = f"{there} the weight {name}; take the base's config, or train without a base"
            fault = FieldError(_pointer(name), MISMATCH, detail)
        raise ConfigInvalid(f"the model can't begin with the base's weights: {detail}", [fault])


def _require_shape(name: str, theirs: tuple[int, ...], ours: tuple[int, ...]) -> None:
    if theirs != ours:
        detail = (
            f"the weight {name} has the shape {ours}, the base's {theirs}; take the base's config (an encoder may "
            "depend on examples.max_history_length), or train without a base"
        )
        raise ConfigInvalid(
            f"the model can't begin with the base's weights: {detail}", [FieldError(_pointer(name), MISMATCH, detail)]
        )


def _pointer(name: str) -> str:
    """The part of the config that a weight comes from."""
    parts = name.split("/")
    if "context_encoder" in parts:
        return "/encoder"
    if any(part.startswith(("group_", "history_features")) for part in parts):
        return "/features"
    return "/model"
