"""The ranks behind a report, kept so that two models can be compared example by example long after.

The file goes beside a bundle and never into it. It holds no id of a user or an item: an example is known by its place
in the test split, and the split by a hash of everything that it was made from.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from reco_core.errors import RanksUnreadable
from reco_core.evaluation.evaluate import Evaluation
from reco_core.examples import Examples, ExampleSet

FORMAT_VERSION = 1
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, BadZipFile)


@dataclass(frozen=True)
class RanksFile:
    """The label's rank in each example of a test split."""

    test_set: str  # 64 hex digits; equal exactly where examples, histories and candidates are the same
    users: NDArray[np.int32]  # [examples] whose example it is, numbered from 0
    ranks: NDArray[np.int32]  # [examples] from 1


def hash_test_set(example_set: ExampleSet, examples: Examples, data_hash: str, *, repeats: bool) -> str:
    """64 hex digits that two test splits share only if every example has the same label, history and candidates.

    Args:
        data_hash: content hash of the dataset, which stands for the raw ids behind the indices.
        repeats: whether items seen before are candidates.
    """
    timelines = example_set.timelines
    facts = {"data_hash": data_hash, "items": example_set.vocabulary.size, "repeats": repeats}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    cold = example_set.vocabulary.counts == 0  # their labels count as misses
    for array in (
        examples.users,
        examples.labels,
        timelines.offsets,
        timelines.items,
        timelines.seen_offsets,
        timelines.seen_items,
        timelines.seen_before,
        cold,
    ):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write_ranks(path: Path, evaluation: Evaluation, example_set: ExampleSet, data_hash: str, *, repeats: bool) -> None:
    """Write the ranks of `evaluation` to `path`; the same ranks give the same bytes."""
    examples = evaluation.examples_ranked
    test_set = hash_test_set(example_set, examples, data_hash, repeats=repeats)
    header = json.dumps({"format_version": FORMAT_VERSION, "test_set": test_set}).encode()
    _, users = np.unique(examples.users, return_inverse=True)
    with path.open("wb") as file:
        np.savez(
            file,
            header=np.frombuffer(header, np.uint8),
            users=users.astype("<i4"),
            ranks=evaluation.ranks.astype("<i4"),
        )


def read_ranks(path: Path) -> RanksFile:
    """The ranks in a file that `write_ranks` wrote.

    Raises:
        RanksUnreadable: it is something else, or of a later format.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            header: dict[str, Any] = json.loads(arrays["header"].tobytes())
            users, ranks = arrays["users"], arrays["ranks"]
        version, test_set = header["format_version"], str(header["test_set"])
        whole = users.ndim == 1 and users.shape == ranks.shape and len(users) > 0
    except _UNREADABLE as error:
        raise RanksUnreadable(f"{path.name} is no file of ranks, or is damaged ({type(error).__name__})") from None
    if version != FORMAT_VERSION:
        raise RanksUnreadable(f"{path.name} has format {version!r}; this version reads format {FORMAT_VERSION}")
    if not whole or users.dtype != np.int32 or ranks.dtype != np.int32:
        raise RanksUnreadable(f"{path.name} holds something else than one rank for each example")
    return RanksFile(test_set, users, ranks)
