"""What is wrong with the settings, in plain words that name the environment variable; and variables that are none."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from registry.setting_names import PREFIX, variable
from registry.settings import Settings
from registry.urls import without_password

LONGEST_SHOWN = 200


def lines(error: ValidationError) -> list[str]:
    """One line a fault: the variable, what it holds, what is expected, and an example. Passwords in URLs are masked."""
    found: dict[str, str] = {}
    for fault in error.errors(include_url=False):
        name = str(fault["loc"][0]) if fault["loc"] else ""
        if fault["type"] == "value_error":  # of our own validators, which say all of it
            message = fault["msg"].removeprefix("Value error, ")
            found.setdefault(name or message, f"{variable(name)}: {message}" if name else message)
        elif name in Settings.model_fields:
            held = _shown(fault["input"])
            found.setdefault(name, f"{variable(name)} holds {held}; expected {_expected(name)}")
        else:
            found.setdefault(name, f"{variable(name)}: {fault['msg']}")
    return list(found.values())


def unknown(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """A line for each of the environment variables `names` that has the prefix, but is none of the `known` settings."""
    settings = {variable(name) for name in known}
    found = []
    for name in sorted(names):
        if name.upper().startswith(PREFIX) and name.upper() not in settings:
            nearest = get_close_matches(
                name.upper().removeprefix(PREFIX), [other.removeprefix(PREFIX) for other in settings], n=1, cutoff=0.7
            )
            remedy = f"did you mean {PREFIX}{nearest[0]}?" if nearest else "docs/operations.md lists all settings"
            found.append(f"{name} is no setting and does nothing; {remedy}")
    return found


def _shown(value: object) -> str:
    text = "null" if value is None else without_password(str(value))
    return repr(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}...")


def _expected(name: str) -> str:
    field = Settings.model_fields[name]
    members = [member for member in get_args(field.annotation) if member is not type(None)]
    is_optional = type(None) in get_args(field.annotation)
    kind: Any = members[0] if is_optional else field.annotation
    examples = field.examples or ([] if field.default in (None, "") else [field.default])
    if get_origin(kind) is tuple:
        return f"a list{_of(get_args(kind)[0])}, as JSON or with commas between, such as {_list_example(examples)}"
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    if kind is bool:
        return "true or false"
    what = {int: "a whole number", float: "a number", Path: "a folder"}.get(kind, "a text")
    or_none = " (or null)" if is_optional else ""
    such = f", such as {_plain(examples[0])}" if examples else ""
    return f"{what}{_bounds(field)}{or_none}{such}"


def _of(member: Any) -> str:
    if get_origin(member) is Literal:
        return f" of {' and '.join(get_args(member))}"
    return " of whole numbers" if member is int else ""


def _list_example(examples: list[Any]) -> str:
    members = list(examples[0]) if examples and examples[0] else ["https://app.example"]
    return f"{json.dumps(members)} or {','.join(map(str, members))}"


def _bounds(field: FieldInfo) -> str:
    texts = []
    for bound in field.metadata:
        match bound:
            case Ge():
                texts.append(f"of at least {bound.ge}")
            case Gt():
                texts.append(f"above {bound.gt}")
            case Le():
                texts.append(f"of at most {bound.le}" if not texts else f"at most {bound.le}")
    return f" {' and '.join(texts)}" if texts else ""


def _plain(example: Any) -> str:
    return f"{example:g}" if isinstance(example, float) else str(example)
