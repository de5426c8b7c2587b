"""Parquet files: the footer first, then only the columns that are needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from reco_core.datasets import columns as column_names
from reco_core.datasets.faults import Faults
from reco_core.datasets.limits import Limits
from reco_core.datasets.parse import Compact
from reco_core.datasets.tables import Table
from reco_core.errors import DatasetTooLarge, DatasetUnreadable


class ParquetFile:
    """A Parquet file with named columns. Row numbers, from 1, stand in for line numbers.

    Raises:
        DatasetUnreadable: the footer is missing or damaged.
        DatasetTooLarge: the footer announces too many rows or columns.
    """

    def __init__(self, path: Path, name: str, limits: Limits) -> None:
        self.name = name
        self._path = path
        try:
            footer = pq.read_metadata(path)
            schema = footer.schema.to_arrow_schema()
            self.columns: Sequence[str] = tuple(schema.names)
            self._types = tuple(str(type_)[:40] for type_ in schema.types)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DatasetUnreadable(
                f"{name}: not a readable Parquet file ({str(error)[:200]}); write it anew"
            ) from None
        if not 0 <= footer.num_rows <= limits.rows:
            raise DatasetTooLarge(f"{name}: announces {footer.num_rows:,} rows; at most {limits.rows:,} are read")
        column_names.checked(self.columns, name, limits)
        self._rows = footer.num_rows

    def kinds(self) -> Sequence[str]:
        """The columns' own types."""
        return self._types

    def read(self, columns: Sequence[str], compact: Compact | None = None) -> Table:  # noqa: ARG002
        """Those columns, as they are, whatever `compact` says.

        Raises:
            DatasetUnreadable: a page is damaged.
        """
        wanted = list(dict.fromkeys(columns))
        try:
            frame = pl.read_parquet(self._path, columns=wanted, glob=False)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
            raise DatasetUnreadable(
                f"{self.name}: a damaged Parquet file ({str(error)[:200]}); write it anew"
            ) from None
        if frame.height != self._rows:
            raise DatasetUnreadable(
                f"{self.name}: announces {self._rows:,} rows but has {frame.height:,}; write it again"
            )
        lines = np.arange(1, frame.height + 1, dtype=np.int64)
        return Table(self.name, frame.select(wanted), lines, Faults(self.name))
