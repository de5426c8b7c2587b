"""How much of a stranger's file is read before it is refused."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Upper bounds on a source. All are counted on what is really there, not on what a header claims."""

    rows: int = 50_000_000
    columns: int = 2_000
    column_characters: int = 256  # of a column's name, which messages and reports repeat
    record_bytes: int = 1 << 20  # one line of a text file
    id_characters: int = 256  # and of the values of features
    feature_columns: int = 64  # of the user table and of the item table that are kept
    archive_entries: int = 10_000
    archive_depth: int = 8  # folders above a member
    archive_name_characters: int = 512
    archive_bytes: int = 8 << 30  # unpacked, all members read
    archive_ratio: int = 250  # unpacked : packed, for members that unpack to more than 32 MiB
