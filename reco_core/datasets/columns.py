"""Columns as a file names them: not too many, and no names that would drown every message they stand in."""

from __future__ import annotations

from collections.abc import Sequence

from reco_core.datasets.faults import shown
from reco_core.datasets.limits import Limits
from reco_core.errors import DatasetInvalid, DatasetTooLarge, FieldError


def checked(columns: Sequence[str], file: str, limits: Limits) -> tuple[str, ...]:
    """The columns.

    Raises:
        DatasetTooLarge: too many.
        DatasetInvalid: a name that is too long.
    """
    if len(columns) > limits.columns:
        raise DatasetTooLarge(f"{file}: {len(columns):,} columns; at most {limits.columns:,} are read")
    for column in columns:
        if len(column) > limits.column_characters:
            raise DatasetInvalid(
                f"{file} line 1: the column name {shown(column)} is longer than {limits.column_characters} characters; "
                "does the file begin with column names?",
                [FieldError("", "column_name_too_long", f"column name {shown(column)}")],
            )
    return tuple(columns)
