"""Which epochs' weights a run leaves behind: the best, and by policy the newest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reco_core.config import JobConfig
from reco_core.model import DualEncoder
from reco_core.training.files import Arrays
from reco_core.training.row_labels import row_labels
from reco_core.training.weights import ModelWeights, info_of, weight_names, write_weights

BEST = "best.npz"


class WeightsFolder:
    """`best.npz`, and `epoch-00003.npz` of the newest `training.keep_checkpoints` epochs."""

    def __init__(
        self,
        folder: Path,
        config: JobConfig,
        data_hash: str,
        item_ids: tuple[str, ...],
        base: Mapping[str, Any] | None = None,
        budget: Mapping[str, Any] | None = None,
    ) -> None:
        self._folder = folder
        self._config = config
        self._data_hash = data_hash
        self._item_ids = item_ids
        self._base = base
        self._budget = budget
        self._kept: dict[int, Arrays] = {}

    @property
    def kept(self) -> Mapping[int, Arrays]:
        """The kept epochs' weights, oldest first."""
        return dict(self._kept)

    def begin(
        self, model: DualEncoder, history: Sequence[Mapping[str, float]], best: Arrays, kept: Mapping[int, Arrays]
    ) -> None:
        """Make the folder hold what a run has that stands after `history`: nothing else, and all of it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for old in self._folder.glob("*.npz"):
            old.unlink()
        self._kept = {}
        for epoch, arrays in kept.items():
            self.keep(model, history[:epoch], arrays)
        if best:
            self.best(model, history, best)

    def keep(self, model: DualEncoder, history: Sequence[Mapping[str, float]], arrays: Arrays) -> None:
        """The epoch that `history` ends with is complete: keep its weights, and let go of those too old."""
        most = self._config.training.keep_checkpoints
        if most == 0:
            return
        epoch = len(history)
        self._kept[epoch] = arrays
        self._write(self._path(epoch), model, history, epoch, arrays)
        for old in list(self._kept)[: 0 if most is None else -most]:
            del self._kept[old]
            self._path(old).unlink(missing_ok=True)

    def best(self, model: DualEncoder, history: Sequence[Mapping[str, float]], arrays: Arrays) -> None:
        """Write `best.npz` anew: other weights, or more epochs that were no better."""
        best_epoch = info_of(self._config, self._data_hash, history, 1).best_epoch
        self._write(self._folder / BEST, model, history, best_epoch, arrays)

    def _write(
        self, path: Path, model: DualEncoder, history: Sequence[Mapping[str, float]], epoch: int, arrays: Arrays
    ) -> None:
        info = info_of(self._config, self._data_hash, history, epoch, self._base, self._budget)
        write_weights(path, ModelWeights(info, self._item_ids, weight_names(model), arrays, row_labels(model)))

    def _path(self, epoch: int) -> Path:
        return self._folder / f"epoch-{epoch:05d}.npz"
