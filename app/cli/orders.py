"""From options to the request of a job: which type, on what, with what config."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.errors import CommandFailed, Status

if TYPE_CHECKING:
    from app.client import Client


class Type(StrEnum):
    """What a job does."""

    TRAIN = "train"
    EXAMPLES = "examples"
    EXPORT = "export"
    EVALUATE = "evaluate"


OfType = Annotated[
    Type, typer.Option("--type", help="train a model, write examples, export a version again, or evaluate one.")
]
DatasetId = Annotated[
    str | None,
    typer.Option("--dataset", metavar="ID", help="A dataset that is `ready`; evaluate takes the version's own if not."),
]
BaseVersion = Annotated[
    str | None,
    typer.Option(
        "--base",
        "--base-version",
        metavar="NAME[@VERSION]",
        help="The version that export and evaluate begin with, or whose weights train begins with; by default the "
        "newest version.",
    ),
]
Checkpoint = Annotated[
    str | None,
    typer.Option("--checkpoint", metavar="NAME", help="Which kept weights to export, such as epoch-00003; the best."),
]


def order(
    type_: Type,
    dataset: str | None,
    base: str | None,
    checkpoint: str | None,
    preset: str | None,
    config: Path | None,
    sets: list[str] | None,
) -> dict[str, Any]:
    """The fields of a request that these options mean; None is what they don't give.

    Raises:
        CommandFailed: options that contradict each other, or lack one.
        ConfigInvalid: the preset or the file is not valid.
    """
    from app.cli.changes import changes, merged
    from app.cli.specs import config_document

    document: dict[str, Any] | None = changes(sets, {}) or None
    if type_ in (Type.TRAIN, Type.EXAMPLES):
        if dataset is None:
            raise _usage(f"a job of type {type_} needs --dataset ID; `pocketrec dataset list` lists them")
        if preset is not None or config is not None or (type_ is Type.TRAIN and base is None):
            given = config_document(preset, config)
            if config is not None:
                document = merged(given, document or {})
    elif base is None:
        raise _usage(f"a job of type {type_} needs --base NAME or NAME/VERSION; `pocketrec model list` lists the names")
    elif config is not None:
        raise _usage(f"a job of type {type_} keeps the version's config; say what is to differ with --set")
    found = _base(base, checkpoint)
    return {"dataset_id": dataset, "base": found, "preset": preset, "config": document}


def with_version(client: Client, base: dict[str, Any] | None) -> dict[str, Any] | None:
    """`base` with the number of the newest version that isn't yanked, where it names none."""
    from app.cli.models import newest

    if base is None or "version" in base:
        return base
    return {**base, "version": newest(client, base["model"])}


def _base(text: str | None, checkpoint: str | None) -> dict[str, Any] | None:
    if text is None:
        if checkpoint is not None:
            raise _usage(f"--checkpoint {checkpoint}: say whose with --base NAME or NAME/VERSION")
        return None
    name, separator, number = text.replace("/", "@", 1).partition("@")
    if not name or (separator and not (number.isascii() and number.isdigit())):
        raise _usage(f"--base {text}: expected NAME, NAME@VERSION or NAME/VERSION, such as movies@3")
    version = {"version": int(number)} if separator else {}
    return {"model": name, **version, **({} if checkpoint is None else {"checkpoint": checkpoint})}


def _usage(message: str) -> CommandFailed:
    return CommandFailed(Status.BAD_INPUT, "usage", [message])
