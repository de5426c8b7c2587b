"""User tables: an id, and columns that features of users are made of."""

from __future__ import annotations

from collections.abc import Sequence

from reco_core.datasets import keyed, mapping, names
from reco_core.datasets.limits import Limits
from reco_core.datasets.spec import AUTO, UsersSpec
from reco_core.datasets.tables import RawUsers, Table, TableFile
from reco_core.errors import DatasetInvalid, FieldError

_IDS = (*names.USER, "id")
PERSONAL = "it identifies people"


def has_ids(columns: Sequence[str]) -> bool:
    """Whether a column is named like one of user ids."""
    return bool(mapping.candidates(columns, _IDS))


def read(file: TableFile, spec: UsersSpec, limits: Limits) -> RawUsers:
    """The user table in `file`, its id column detected where the spec leaves it open.

    Raises:
        DatasetInvalid: no id column, or one is named that isn't there.
    """
    if spec.id != AUTO and spec.id not in file.columns:
        error = mapping.unknown_column("/users/id", spec.id, file.columns)
        raise DatasetInvalid(f"{file.name}: {error.detail}", [error])
    found = mapping.candidates(file.columns, _IDS) if spec.id == AUTO else [spec.id]
    if not found:
        detail = f"no column with user ids; found: {','.join(file.columns[:20])}"
        raise DatasetInvalid(f"{file.name}: {detail}", [FieldError("/users/id", "user_column_missing", detail)])
    wanted, left_out = selected(file.columns, found[0], limits)
    return build(file.read([found[0], *wanted]), found[0], left_out, limits)


def selected(columns: Sequence[str], id_column: str, limits: Limits) -> tuple[list[str], dict[str, str]]:
    """The columns to read beside the id, and the others with the reason. What identifies people is never read."""
    others = [column for column in columns if column != id_column]
    personal = {column: PERSONAL for column in others if _is_personal(column)}
    wanted, more = keyed.chosen([column for column in others if column not in personal], limits)
    return wanted, personal | more


def build(table: Table, id_column: str, left_out: dict[str, str], limits: Limits) -> RawUsers:
    """A user table from the column of its ids and all others."""
    rows_in = table.rows_in
    frame, findings = keyed.rows(table, table.frame[id_column], "user")
    further = keyed.further(table.frame.drop(id_column), left_out, limits)
    return RawUsers(frame, further, table.faults, rows_in, findings)


def _is_personal(column: str) -> bool:
    return mapping.normalised(column) in (*names.PERSONAL, *names.USER)
