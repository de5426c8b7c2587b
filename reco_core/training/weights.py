"""Weights to export from: one self-contained file, from which a bundle can be made again without training.

Unlike a checkpoint, which serves one run only, such a file says everything about itself: config, epoch, metrics, the
dataset's content hash and the items in their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from reco_core import environment
from reco_core.config import JobConfig
from reco_core.errors import CheckpointMismatch, FieldError
from reco_core.examples import AddedItem
from reco_core.model import DualEncoder
from reco_core.training.files import UNREADABLE, Arrays, read_header, write_arrays

FORMAT_VERSION = 1


@dataclass(frozen=True)
class WeightsInfo:
    """Whose weights they are."""

    config: JobConfig
    data_hash: str  # content hash of the dataset
    epoch: int  # from 1: the weights are those after this epoch
    epochs: int  # complete when the file was written
    best_epoch: int  # of those
    metrics: Mapping[str, float]  # of `epoch`: training loss, and validation NDCG@10 and Recall@10
    packages: Mapping[str, str]  # name -> version
    base: Mapping[str, Any] | None = None  # what training began with, as a manifest states it; None: with nothing
    budget: Mapping[str, Any] | None = None  # what a size budget chose, as a manifest states it; None: there was none


@dataclass(frozen=True)
class ModelWeights:
    """A file's content."""

    info: WeightsInfo
    item_ids: tuple[str, ...]  # the vocabulary: item_ids[0] is "<pad>"
    names: tuple[str, ...]
    arrays: Arrays
    rows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # as `row_labels` gives them
    added: tuple[AddedItem, ...] = ()  # the last of `item_ids`: those that joined after training
    extends: Mapping[str, Any] | None = None  # what they were added to, as a manifest states it


def info_of(
    config: JobConfig,
    data_hash: str,
    history: Sequence[Mapping[str, float]],
    epoch: int,
    base: Mapping[str, Any] | None = None,
    budget: Mapping[str, Any] | None = None,
) -> WeightsInfo:
    """What there is to say of the weights of `epoch` when as many epochs are complete as `history` has entries."""
    # the first of the best, as early stopping sees it: NDCG .1 .3 .3 -> 2
    best = max(range(len(history)), key=lambda i: (history[i]["ndcg@10"], -i)) + 1
    return WeightsInfo(
        config=config,
        data_hash=data_hash,
        epoch=epoch,
        epochs=len(history),
        best_epoch=best,
        metrics=dict(history[epoch - 1]),
        packages=environment.packages(),
        base=base,
        budget=budget,
    )


def weight_names(model: DualEncoder) -> tuple[str, ...]:
    """Names of the model's weights, each once, in the order in which training has them."""
    return tuple(variable.path for variable in model.trainable_variables)


def write_weights(path: Path, weights: ModelWeights) -> None:
    """Write the file in one atomic step; the same weights give the same bytes."""
    info = asdict(weights.info) | {"config": weights.info.config.model_dump(mode="json")}
    header = {
        "format_version": FORMAT_VERSION,
        "info": info,
        "item_ids": weights.item_ids,
        "names": weights.names,
        "rows": dict(weights.rows),
    }
    if weights.added:
        header |= {"added": [item.as_dict() for item in weights.added], "extends": weights.extends}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(path, header, {f"weights/{i:04d}": array for i, array in enumerate(weights.arrays)})


def read_weights(path: Path) -> ModelWeights:
    """The content of a file that `write_weights` wrote.

    Raises:
        CheckpointMismatch: it is damaged, something else, or of another version of this software.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            header = read_header(file)
            version, info = header["format_version"], header["info"]
            names, item_ids = tuple(header["names"]), tuple(header["item_ids"])
            arrays = tuple(file[f"weights/{i:04d}"] for i in range(len(names)))
            rows = {name: tuple(labels) for name, labels in header.get("rows", {}).items()}
            added = tuple(AddedItem.from_dict(item) for item in header.get("added", ()))
    except UNREADABLE as error:
        raise CheckpointMismatch(
            f"{path.name} is not a readable file of weights ({type(error).__name__}); give best.npz or another file "
            "from the folder `weights` of a training run"
        ) from None
    if version != FORMAT_VERSION:
        raise CheckpointMismatch(
            f"{path.name} has format {version!r}; this version reads format {FORMAT_VERSION}: use the version that "
            "wrote it, or train again"
        )
    return ModelWeights(_info(path, info), item_ids, names, arrays, rows, added, header.get("extends"))


def assign_weights(model: DualEncoder, weights: ModelWeights) -> None:
    """Give the model these weights.

    Raises:
        CheckpointMismatch: a weight is missing, is one too many or has another shape; it is named.
    """
    given = dict(zip(weights.names, weights.arrays, strict=True))
    wanted = dict(zip(weight_names(model), model.trainable_variables, strict=True))
    for name in [*wanted, *given]:
        if name not in given:
            raise _mismatch(name, f"the weight {name} is missing")
        if name not in wanted:
            raise _mismatch(name, f"there is a weight {name}, which this model lacks")
        found, expected = tuple(given[name].shape), tuple(wanted[name].shape)
        if found != expected:
            raise _mismatch(name, f"the weight {name} has the shape {found}, this model's has {expected}")
    for name, variable in wanted.items():
        variable.assign(given[name])


def _info(path: Path, document: dict[str, Any]) -> WeightsInfo:
    try:
        config = JobConfig.model_validate(document["config"])
        return WeightsInfo(**{**document, "config": config})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        pointer = "".join(f"/{part}" for part in fault["loc"])
        detail = f"{pointer or '/'}: {fault['msg']}"
        raise CheckpointMismatch(
            f"the config in {path.name} isn't valid in this version ({detail}); use the version that wrote it, or "
            "train again",
            [FieldError(pointer, fault["type"], detail)],
        ) from None
    except (KeyError, TypeError) as error:
        raise CheckpointMismatch(f"the header of {path.name} isn't what this version writes ({error})") from None


def _mismatch(name: str, what: str) -> CheckpointMismatch:
    message = f"the weights belong to another architecture: {what}"
    return CheckpointMismatch(message, [FieldError(f"/weights/{name}", "checkpoint_mismatch", what)])
