"""Which column is what: detection by name, checked against what the spec asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from reco_core.datasets.names import ITEM, RATING, TIMESTAMP, USER
from reco_core.datasets.spec import AUTO, Mapping
from reco_core.errors import DatasetInvalid, FieldError

MAX_CANDIDATES = 10
ROLES = {"user": USER, "item": ITEM, "timestamp": TIMESTAMP, "rating": RATING}


def normalised(name: str) -> str:
    """`User_ID`, `userId` and `user id` are one name."""
    return "".join(character for character in name.casefold() if character.isalnum())


def candidates(columns: Sequence[str], known: Sequence[str]) -> list[str]:
    """The columns that bear the most preferred of the known names that occurs."""
    plain = {column: normalised(column) for column in columns}
    for name in known:
        found = [column for column in columns if plain[column] == name]
        if found:
            return found
    return []


def resolve(columns: Sequence[str], mapping: Mapping, file: str) -> tuple[dict[str, str | None], bool]:
    """Role -> column for user, item, timestamp, rating, and whether any was detected.

    `timestamp` and `rating` may be None: not there, or not wanted.

    Raises:
        DatasetInvalid: a column that is mapped but not there, or one that is needed and can't be detected; all such
            faults at once, with pointers like `/mapping/user`.
    """
    errors: list[FieldError] = []
    result: dict[str, str | None] = {}
    detected = False
    explicit = {getattr(mapping, role) for role in ROLES} - {AUTO, None}
    for role, known in ROLES.items():
        wanted: str | None = getattr(mapping, role)
        if wanted is None:
            result[role] = None
        elif wanted != AUTO:
            result[role] = wanted
            if wanted not in columns:
                errors.append(unknown_column(f"/mapping/{role}", wanted, columns))
        else:
            found = candidates(columns, known)
            taken = explicit.union(result.values())
            found = [column for column in found if column not in taken]
            result[role] = found[0] if len(found) == 1 else None
            detected = detected or bool(found)
            if len(found) > 1 or (not found and role != "rating"):
                errors.append(_undetected(role, found, columns))
    used = [column for column in result.values() if column]
    if not errors and len(set(used)) < len(used):
        errors.append(FieldError("/mapping", "column_repeated", f"a column has two roles in {', '.join(used)}"))
    errors += _of_features(mapping.features, used, columns, result["rating"])
    if errors:
        raise DatasetInvalid(_summary(errors, columns, file), errors)
    return result, detected


def explain(columns: Sequence[str], mapping: Mapping, chosen: dict[str, str | None]) -> dict[str, dict[str, Any]]:
    """Why each role has its column: `{role: {column, how, candidates}}`.

    `how` is `given` (by the spec), `detected` (by its name), `none` (the spec says that there is none) or `not_found`.
    `candidates` are all columns whose names would do, the preferred one first.
    """
    found: dict[str, dict[str, Any]] = {}
    for role, known in ROLES.items():
        wanted: str | None = getattr(mapping, role)
        column = chosen.get(role)
        how = "none" if wanted is None else "given" if wanted != AUTO else "detected" if column else "not_found"
        named = [other for name in known for other in columns if normalised(other) == name]
        found[role] = {"column": column, "how": how, "candidates": list(dict.fromkeys(named))[:MAX_CANDIDATES]}
    return found


def unknown_column(pointer: str, wanted: str, columns: Sequence[str]) -> FieldError:
    """The fault of naming a column that isn't there."""
    close = get_close_matches(wanted, columns, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return FieldError(pointer, "column_unknown", f"no column {wanted!r}; {hint}found: {_listed(columns)}")


def _of_features(
    wanted: Sequence[str], used: Sequence[str], columns: Sequence[str], rating: str | None
) -> Iterator[FieldError]:
    for index, column in enumerate(wanted):
        pointer = f"/mapping/features/{index}"
        if column not in columns:
            yield unknown_column(pointer, column, columns)
        elif column in used or column in wanted[:index]:
            why = "stands there twice" if column not in used else "has a role already"
            # ratings are the one role that features are made of
            why += ": as a feature it is there under the name `rating`" if column == rating else ""
            yield FieldError(pointer, "column_repeated", f"the column {column!r} {why}; leave it out")


def _undetected(role: str, found: Sequence[str], columns: Sequence[str]) -> FieldError:
    pointer = f"/mapping/{role}"
    if found:
        return FieldError(
            pointer,
            "column_ambiguous",
            f"{_listed(found)} could each be the {role} column; say which: --map {role}=COLUMN",
        )
    remedy = f"name it with --map {role}=COLUMN"
    if role == "timestamp":
        remedy += ", or say --map timestamp=null if the file is in time order"
    return FieldError(pointer, f"{role}_column_missing", f"no {role} column; found: {_listed(columns)}; {remedy}")


def _summary(errors: Sequence[FieldError], columns: Sequence[str], file: str) -> str:
    if len(errors) == 1:
        return f"{file}: {errors[0].detail}"
    roles = [error.pointer.rsplit("/", 1)[1] for error in errors]
    if not set(roles) <= ROLES.keys():
        return f"{file}: " + "; ".join(error.detail for error in errors)
    named = f"{', '.join(roles[:-1])} and {roles[-1]}"
    alone = "; with one column only, is the separator right?" if len(columns) == 1 else ""
    remedy = "; ".join(f"--map {role}=COLUMN" for role in roles)
    return f"{file}: no usable {named} columns; found: {_listed(columns)}{alone}; name them with {remedy}"


def _listed(columns: Sequence[str]) -> str:
    shown = [column if len(column) <= 40 else column[:40] + "…" for column in columns[:20]]
    return ",".join(shown) + (f" and {len(columns) - 20} more" if len(columns) > 20 else "")
