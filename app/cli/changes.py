"""Fields of a config given on the command line: `--set export.top_k=20`, and options that stand for such fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from app.cli.errors import CommandFailed, Status

Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="A field of the config, such as training.batch_size=64. Repeat it."
    ),
]


def changes(sets: Sequence[str] | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The document that holds what was given: `{"export.top_k": 20}` -> `{"export": {"top_k": 20}}`.

    Args:
        sets: `FIELD=VALUE` as given with --set, the value in YAML (numbers, true, null, [a, b], text).
        options: values of further options by field; None where an option wasn't given.

    Raises:
        CommandFailed: something that isn't of this form, or a field given twice.
    """
    import yaml

    fields = {field: value for field, value in options.items() if value is not None}
    for given in sets or []:
        field, separator, text = given.partition("=")
        if not separator or not all(field.split(".")):
            raise _usage(f"--set {given}: expected FIELD=VALUE, such as --set export.top_k=20")
        if field in fields:
            raise _usage(f"--set {given}: {field} was given already; give each field once")
        try:
            fields[field] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise _usage(f"--set {given}: the value isn't valid YAML; put special characters in quotes") from None
    document: dict[str, Any] = {}
    for field, value in fields.items():
        *sections, name = field.split(".")
        inside = document
        for section in sections:
            inside = inside.setdefault(section, {})
            if not isinstance(inside, dict):
                raise _usage(f"{field}: {section} was given a value already; give either the section or its fields")
        inside[name] = value
    return document


def merged(document: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`document` with the fields of `over`, checked.

    Raises:
        ConfigInvalid: the result is not valid.
    """
    from reco_core.config import load

    def put(below: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
        inside = {name: put(below.get(name) or {}, value) for name, value in over.items() if isinstance(value, dict)}
        return {**below, **over, **inside}

    whole = put(document, over)
    load(whole)
    return whole


def listed(option: str, text: str | None) -> list[str] | None:
    """`a,b` -> [a, b]; None where the option wasn't given.

    Raises:
        CommandFailed: nothing stands between two commas.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise _usage(f"{option} {text}: expected names with commas between them, such as a,b")
    return parts


def whole_numbers(option: str, text: str | None) -> list[int] | None:
    """`1,10` -> [1, 10]; None where the option wasn't given.

    Raises:
        CommandFailed: something that isn't a whole number.
    """
    parts = listed(option, text)
    if parts is None:
        return None
    if not all(part.isdecimal() for part in parts):
        raise _usage(f"{option} {text}: expected whole numbers with commas between them, such as 1,5,10")
    return [int(part) for part in parts]


def _usage(message: str) -> CommandFailed:
    return CommandFailed(Status.BAD_INPUT, "usage", [message])
