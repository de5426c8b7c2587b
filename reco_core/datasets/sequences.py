"""Sequences: a line per user, first the user, then items in time order, all apart by blanks."""

from __future__ import annotations

import numpy as np
import polars as pl

from reco_core.datasets import tabular
from reco_core.datasets.limits import Limits
from reco_core.datasets.lines import read_lines
from reco_core.datasets.sources import Files
from reco_core.datasets.spec import DatasetSpec
from reco_core.datasets.tables import RawLog, Table


def read(files: Files, name: str, spec: DatasetSpec, limits: Limits) -> RawLog:
    """The log `name`: an interaction per item of each line, without timestamps.

    A user may have several lines, which follow each other in time. A line with a user only is a fault.
    """
    text, lines, faults = read_lines(files.path(name), name, limits)
    words = text.str.extract_all(r"\S+")
    counts = words.list.len()
    alone = (counts < 2).to_numpy()
    faults.add("item_missing", lines[alone], "item missing; expected a user, then items, apart by blanks")
    words, lines = words.filter(~alone), lines[~alone]
    repeats = np.maximum(words.list.len().to_numpy().astype(np.int64) - 1, 0)
    frame = pl.DataFrame({"user": words.list.first(), "item": words.list.slice(1)}).explode("item")
    items, notes = tabular.read_items(files, name, spec, limits)
    return RawLog(
        "sequences",
        Table(name, frame, np.repeat(lines, repeats), faults),
        {"user": None, "item": None, "timestamp": None, "rating": None},
        detected=False,
        items=items,
        notes=(*notes, "no timestamps: the order in each line is the order in time"),
    )
