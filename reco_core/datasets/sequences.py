"""Sequences: a line per user, first the user, then items in time order, all apart by blanks."""

from __future__ import annotations

import numpy as np
import polars as pl

from reco_core.datasets import tabular
from reco_core.datasets.faults import Faults
from reco_core.datasets.limits import Limits
from reco_core.datasets.lines import begin_of, check, mapped
from reco_core.datasets.sources import Files
from reco_core.datasets.spec import DatasetSpec
from reco_core.datasets.tables import RawLog, Table
from reco_core.errors import DatasetInvalid, DatasetTooLarge, FieldError


def read(files: Files, name: str, spec: DatasetSpec, limits: Limits) -> RawLog:
    """The log `name`: an interaction per item of each line, without timestamps.

    A user may have several lines, which follow each other in time. A line with a user only is a fault.

    Raises:
        DatasetInvalid: columns are named, of which there are none.
        DatasetTooLarge: more interactions than the limits allow.
    """
    if spec.mapping.features:
        detail = "lines of users and items have no further columns; leave features out"
        raise DatasetInvalid(f"{name}: {detail}", [FieldError("/mapping/features/0", "column_unknown", detail)])
    faults = Faults(name)
    data = mapped(files.path(name), name)
    sound = check(data, begin_of(data), 1, faults, limits)
    words = sound.series(data).str.extract_all(r"\S+")
    counts = words.list.len().to_numpy().astype(np.int64)
    if counts.sum() - len(counts) > limits.rows:
        raise DatasetTooLarge(f"{name}: more than {limits.rows:,} interactions, which is the limit")
    alone = counts < 2
    faults.add("item_missing", sound.lines[alone], "item missing; expected a user, then items, apart by blanks")
    words, counts, lines = words.filter(pl.Series(~alone)), counts[~alone], sound.lines[~alone]
    frame = pl.DataFrame({"user": words.list.first(), "item": words.list.slice(1)}).explode("item")
    items, notes = tabular.read_items(files, name, spec, limits)
    users, more_notes = tabular.read_users(files, name, spec, limits)
    return RawLog(
        "sequences",
        Table(name, frame, np.repeat(lines, counts - 1), faults),
        {"user": None, "item": None, "timestamp": None, "rating": None},
        detected=False,
        items=items,
        users=users,
        notes=(*notes, *more_notes, "no timestamps: the order in each line is the order in time"),
    )
