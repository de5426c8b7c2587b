"""From command-line options to the dataset spec and the job config, with faults said in terms of the options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from app.cli.errors import CommandFailed, Status
from app.cli.options import BadRows

ROLES = ("user", "item", "timestamp", "rating")
FEATURE = "feature"  # given once for each further column of the log that features are made of


def dataset_spec(
    format_name: str | None,
    mapping: list[str] | None,
    items: Path | None = None,
    beside: Path | None = None,
    users: Path | None = None,
    on_bad_rows: BadRows | None = None,
) -> dict[str, Any]:
    """The JSON form of a DatasetSpec; only what was given.

    Args:
        items: the item table, a path or a name inside the folder or zip `beside`.
        beside: the log, or the folder or zip that it is in; tables there are named as seen from there, others by
            their whole path.
        users: the user table, as `items`.

    Raises:
        CommandFailed: an option that isn't `ROLE=COLUMN`, or an unknown or repeated role.
    """
    spec: dict[str, Any] = {}
    if format_name:
        spec["format"] = format_name
    if on_bad_rows is not None:
        spec["on_bad_rows"] = on_bad_rows.value
    columns: dict[str, str | None] = {}
    features: list[str] = []
    for option in mapping or []:
        role, separator, column = option.partition("=")
        if not separator or not column or role not in (*ROLES, FEATURE):
            raise _usage(
                f"--map {option}: expected ROLE=COLUMN with a role of {', '.join(ROLES)} or {FEATURE}, "
                "such as --map user=uid"
            )
        if role == FEATURE:
            features.append(column)
            continue
        if role in columns:
            raise _usage(f"--map {option}: {role} was mapped to {columns[role]!r} already; give each role once")
        columns[role] = None if column == "null" and role in ("timestamp", "rating") else column
    if columns or features:
        spec["mapping"] = {**columns, **({"features": features} if features else {})}
    for name, table in (("items", items), ("users", users)):
        if table is not None and beside is not None:
            spec[name] = {"path": _seen_from(beside, table).as_posix()}
    return spec


def spec_options(spec: Mapping[str, Any]) -> list[str]:
    """The options with which `python -m reco_core` takes a spec of `dataset_spec`."""
    paths = [spec[name]["path"] for name in ("items", "users") if name in spec]
    outside = [part for path in dict.fromkeys(paths) if Path(path).is_absolute() for part in ("--table", path)]
    return ["--spec", json.dumps(spec), *outside] if spec else []


def pairs(option: str, given: list[str] | None) -> dict[str, str]:
    """The pairs of a repeated option KEY=VALUE; `option` is its name, for messages.

    Raises:
        CommandFailed: one that isn't of this form, or a key twice.
    """
    found: dict[str, str] = {}
    for entry in given or []:
        key, separator, value = entry.partition("=")
        if not separator or not key or key in found:
            raise _usage(f"{option} {entry}: expected KEY=VALUE, such as {option} season=spring, each key once")
        found[key] = value
    return found


def config_document(preset: str | None, config: Path | None) -> dict[str, Any]:
    """The config document that `--preset NAME` or `--config FILE` names, checked.

    Raises:
        CommandFailed: both options or neither.
        ConfigInvalid: the preset or the file is not valid.
    """
    from reco_core.config import load, load_file

    if (preset is None) == (config is None):
        raise _usage("give either --preset NAME or --config FILE")
    if config is None:
        document: dict[str, Any] = {"preset": preset}
        load(document)
        return document
    return load_file(config).model_dump(mode="json", exclude_unset=False)


def require_paths(given: Mapping[str, Path], out: Path | None) -> None:
    """Check what is to be read, by option, and that `out` is free, before seconds are spent on anything else.

    Raises:
        CommandFailed: a file is missing, or something lies in `out`.
    """
    for option, path in given.items():
        if not path.exists():
            raise CommandFailed(Status.BAD_INPUT, "file_error", [f"{option} {path}: no such file or folder"])
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CommandFailed(
            Status.BAD_INPUT, "file_error", [f"--out {out} is there already and not empty; name another"]
        )


def _seen_from(log: Path, table: Path) -> Path:
    """The table's path in the log's folder, or else its whole path.

    One that isn't there stays as it was given: it is a name inside a folder or zip, or is refused by that name.
    """
    if not table.is_file():
        return table
    table = table.resolve()
    folder = log.resolve() if log.is_dir() else log.resolve().parent
    inside = table.is_relative_to(folder) if log.is_dir() else table.parent == folder and not is_zipfile(log)
    return table.relative_to(folder) if inside else table


def _usage(message: str) -> CommandFailed:
    return CommandFailed(Status.BAD_INPUT, "usage", [message])
