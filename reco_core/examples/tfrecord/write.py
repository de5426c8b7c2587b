"""TFRecord files of a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reco_core.config import JobConfig, TfrecordConfig
from reco_core.datasets.types import Interactions
from reco_core.errors import DatasetTooSmall, Interrupted
from reco_core.examples.split import lots
from reco_core.examples.tfrecord import layouts
from reco_core.examples.tfrecord.fields import Window
from reco_core.examples.tfrecord.framing import frame
from reco_core.examples.tfrecord.pool import PoolBuilder
from reco_core.examples.tfrecord.serialize import Serializer
from reco_core.examples.tfrecord.tables import item_facts
from reco_core.examples.tfrecord.vocabularies import write_vocabularies
from reco_core.examples.timelines import build_timelines
from reco_core.progress import Reporter

TRAIN_FILE = "train_movielens_1m.tfrecord"
TEST_FILE = "test_movielens_1m.tfrecord"
_SECONDS_BETWEEN_REPORTS = 0.5


@dataclass(frozen=True)
class _Columns:
    """What is needed of the timelines; the rest isn't held while files are written."""

    offsets: NDArray[np.int64]  # [users + 1]
    codes: NDArray[np.int32]  # [interactions]
    ratings: NDArray[np.float32] | None  # [interactions]
    dropped_users: int

    @classmethod
    def of(cls, config: JobConfig, interactions: Interactions) -> _Columns:
        found = build_timelines(interactions, config.examples.min_timeline_length, config.examples.min_rating)
        ratings = None if interactions.ratings is None else interactions.ratings[found.rows]
        return cls(found.offsets, found.codes, ratings, found.dropped_users)


@dataclass(frozen=True)
class _Pairs:
    """Positions of the labels, in the order in which their examples are written."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


def write_tfrecords(
    config: JobConfig,
    interactions: Interactions,
    folder: Path,
    reporter: Reporter,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Write the TFRecord files, and the vocabularies if wanted, to `folder`, which is made.

    Every user with at least `examples.min_timeline_length` interactions gives an example for each of them but the
    first, whatever the protocol; interactions below `examples.min_rating` are as if they weren't there. Same config and
    log, same bytes.

    Args:
        should_stop: asked before each block of some thousand examples.

    Returns:
        `{layout, context_length, genre_length, examples: {train, test}, users, dropped_users, files: [{path, examples,
        bytes}], vocabularies: {file: entries}}`, with `/` in no path.

    Raises:
        ConfigInvalid: item ids that TFRecords can't hold.
        DatasetTooSmall: no example is left.
        Interrupted: `should_stop` said so; what was written so far is no good.
    """
    settings = config.examples.tfrecord or TfrecordConfig()
    facts = item_facts(interactions)
    columns = _Columns.of(config, interactions)
    pairs = _split(config, settings, columns.offsets)
    folder.mkdir(parents=True, exist_ok=True)
    context = config.examples.max_history_length
    pool = PoolBuilder()
    if settings.layout == "original":
        fields = layouts.original(pool, facts, columns.codes, columns.ratings, context, settings.max_genre_length)
    else:
        fields = layouts.original_2020(pool, facts, columns.codes, context)
    total = len(pairs.train) + len(pairs.test)
    writer = _Writer(Serializer(pool, fields), columns.offsets, context, reporter, total, should_stop)
    files = [
        *writer.write(folder / TRAIN_FILE, pairs.train, settings.shards),
        *writer.write(folder / TEST_FILE, pairs.test, settings.shards),
    ]
    vocabularies = {}
    if settings.build_vocabs:
        counts = _counts(interactions, config.examples.min_rating)
        vocabularies = write_vocabularies(folder, facts, counts, settings.layout)
    return {
        "layout": settings.layout,
        "context_length": context,
        "genre_length": settings.max_genre_length if settings.layout == "original" else None,
        "examples": {"train": len(pairs.train), "test": len(pairs.test)},
        "users": len(columns.offsets) - 1,
        "dropped_users": columns.dropped_users,
        "files": files,
        "vocabularies": vocabularies,
    }


def shard_names(name: str, shards: int) -> list[str]:
    """The file's name, or those of its shards: `train.tfrecord-00000-of-00002`, ..."""
    return [name] if shards == 1 else [f"{name}-{number:05d}-of-{shards:05d}" for number in range(shards)]


def _split(config: JobConfig, settings: TfrecordConfig, offsets: NDArray[np.int64]) -> _Pairs:
    is_label = np.ones(int(offsets[-1]), bool)
    is_label[offsets[:-1]] = False
    if not is_label.any():
        rated = "" if config.examples.min_rating is None else f" rated at least {config.examples.min_rating:g}"
        least = max(2, config.examples.min_timeline_length)
        raise DatasetTooSmall(
            f"no user has the {least} interactions{rated} that an example needs; give a longer log, "
            "or lower examples.min_timeline_length or examples.min_rating"
        )
    if settings.layout == "original_2020":
        last = offsets[1:] - 1
        test = last[is_label[last]]
        is_label[test] = False
        return _Pairs(np.flatnonzero(is_label), test)
    # the same lots as the protocol `reference` draws
    labels, train = lots(np.flatnonzero(is_label), config.examples.train_data_fraction, config.seed)
    return _Pairs(labels[:train], labels[train:])


def _counts(interactions: Interactions, min_rating: float | None) -> NDArray[np.int64]:
    items = interactions.items
    if min_rating is not None and interactions.ratings is not None:
        items = items[interactions.ratings >= min_rating]
    return np.bincount(items, minlength=len(interactions.item_ids))


class _Writer:
    def __init__(
        self,
        serializer: Serializer,
        offsets: NDArray[np.int64],
        context: int,
        reporter: Reporter,
        total: int,
        should_stop: Callable[[], bool],
    ) -> None:
        self._serializer, self._offsets, self._context = serializer, offsets, context
        self._should_stop = should_stop
        self._reporter, self._total, self._done = reporter, total, 0
        self._began = self._said = time.monotonic()

    def write(self, path: Path, labels: NDArray[np.int64], shards: int) -> list[dict[str, Any]]:
        """Write the examples of these labels, in this order, spread evenly over the shards."""
        written = []
        for name, part in zip(shard_names(path.name, shards), np.array_split(labels, shards), strict=True):
            file = path.with_name(name)
            with file.open("wb") as stream:
                for block in _blocks(part, self._serializer.block):
                    if self._should_stop():
                        raise Interrupted("stopped while examples were written; none of them are kept")
                    stream.write(self._records(block).data)
                    self._report(len(block))
            written.append({"path": name, "examples": len(part), "bytes": file.stat().st_size})
        return written

    def _records(self, ends: NDArray[np.int64]) -> NDArray[np.uint8]:
        firsts = self._offsets[np.searchsorted(self._offsets, ends, side="right") - 1]
        return frame(*self._serializer.messages(Window(np.maximum(firsts, ends - self._context), ends)))

    def _report(self, more: int) -> None:
        self._done += more
        now = time.monotonic()
        if now - self._said < _SECONDS_BETWEEN_REPORTS and self._done < self._total:
            return
        self._said = now
        left = (now - self._began) * (self._total - self._done) / self._done
        self._reporter.progress(self._done, self._total, "examples", left)


def _blocks(labels: NDArray[np.int64], block: int) -> Iterator[NDArray[np.int64]]:
    for begin in range(0, len(labels), block):
        yield labels[begin : begin + block]
