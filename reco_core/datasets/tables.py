"""The tables that readers hand over, before their values are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reco_core.datasets.faults import Faults, Finding
from reco_core.datasets.parse import Compact


@dataclass(frozen=True)
class Table:
    """Some columns of a file, rows in file order; text formats give text, Parquet gives its own types."""

    name: str  # of the file, for messages
    frame: pl.DataFrame
    lines: NDArray[np.integer[Any]]  # [rows] 1-based line (text) or row number (Parquet)
    faults: Faults  # rows that could not even be split into fields

    @property
    def rows_in(self) -> int:
        """Rows of the file, bad ones included."""
        return self.frame.height + self.faults.total


class TableFile(Protocol):
    """A file with named columns, of which only those asked for are read."""

    @property
    def name(self) -> str: ...

    @property
    def columns(self) -> Sequence[str]: ...

    def kinds(self) -> Sequence[str]:
        """What each column holds, such as integer or text, as far as the first rows show."""

    def read(self, columns: Sequence[str], compact: Compact | None = None) -> Table:
        """Those columns; with `compact`, text formats may give numbers instead of text."""


@dataclass(frozen=True)
class Further:
    """The columns of a table that features are made of, a row for each of its sound lines, and those left out."""

    frame: pl.DataFrame = field(default_factory=pl.DataFrame)
    left_out: Mapping[str, str] = field(default_factory=dict)  # column -> reason, in words


@dataclass(frozen=True)
class RawUsers:
    """A user table with the columns `id` (text, each once) and `row` (Int32, the row of `further`)."""

    frame: pl.DataFrame
    further: Further
    faults: Faults
    rows_in: int  # of the file, bad and repeated ones included
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class RawItems:
    """An item table: `id` (text, each once), `row` (Int32), `title` (text or null), `attribute` (list of text).

    `row` counts the sound lines of the file from 0 and points into `further`.
    """

    frame: pl.DataFrame
    attribute_name: str | None
    further: Further
    faults: Faults
    rows_in: int  # of the file, bad and repeated ones included
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class RawLog:
    """A log with the columns `user`, `item` and, where the file has them, `timestamp` and `rating`.

    `features` has the columns that the mapping names beside them, under their own names, row by row.
    """

    format: str
    table: Table
    mapping: Mapping[str, str | None]
    detected: bool
    columns: tuple[tuple[str, str], ...] = ()  # all of the file, with what they hold; not only those that are read
    items: RawItems | None = None
    users: RawUsers | None = None
    features: pl.DataFrame = field(default_factory=pl.DataFrame)
    notes: tuple[str, ...] = field(default=())
