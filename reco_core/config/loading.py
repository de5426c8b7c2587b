"""From a document to a `JobConfig`: preset first, then overrides; faults as JSON pointers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from reco_core.config import reference_layout
from reco_core.config.job import JobConfig
from reco_core.config.presets import PRESETS
from reco_core.errors import ConfigInvalid, FieldError

_WITHOUT_FIELDS = ("null", "boolean", "string", "integer", "number")


def load(document: Mapping[str, Any]) -> JobConfig:
    """The config that `document` describes.

    Raises:
        ConfigInvalid: an unknown preset or field, a value out of range; `errors` point at each fault.
    """
    preset = document.get("preset")
    base: Mapping[str, Any] = {}
    if preset is not None:
        if not isinstance(preset, str) or preset not in PRESETS:
            known = ", ".join(PRESETS)
            raise ConfigInvalid(
                f"unknown preset {preset!r}; choose one of: {known}",
                [FieldError("/preset", "unknown_preset", f"choose one of: {known}")],
            )
        base = PRESETS[preset].overrides
    config = _validated(_merge(base, document))
    reference_layout.check(config)
    return config


def load_whole(document: Mapping[str, Any]) -> JobConfig:
    """The config whose every field `document` gives, as `JobConfig.model_dump` does; its preset is but a name.

    What a later version has put into the preset is no part of a config that an earlier one has written down.

    Raises:
        ConfigInvalid: an unknown field, a value out of range; `errors` point at each fault.
    """
    return _validated(document)


def _validated(document: Mapping[str, Any]) -> JobConfig:
    try:
        return JobConfig.model_validate(document)
    except ValidationError as error:
        faults = _without_echoes([_field_error(fault, document) for fault in error.errors(include_url=False)])
        summary = "; ".join(f"{fault.pointer or '/'}: {fault.detail}" for fault in faults[:3])
        raise ConfigInvalid(f"the config is not valid: {summary}", faults) from None


def load_file(path: Path) -> JobConfig:
    """The config in a JSON or YAML file.

    Raises:
        ConfigInvalid: the file is missing, not JSON or YAML, or not a valid config.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid(f"{path}: can't be read as a UTF-8 text file ({error})") from None
    try:
        document = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise ConfigInvalid(f"{path}: not valid {'JSON' if path.suffix == '.json' else 'YAML'}: {error}") from None
    if not isinstance(document, dict):
        raise ConfigInvalid(f"{path}: expected an object with fields such as `preset`, found {type(document).__name__}")
    return load(document)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the config, with presets listed."""
    schema = JobConfig.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["properties"]["preset"] = {
        "anyOf": [{"type": "string", "enum": list(PRESETS)}, {"type": "null"}],
        "default": None,
        "description": JobConfig.model_fields["preset"].description,
    }
    return schema


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`, section by section; an encoder of another type replaces the whole section."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping) and _same_type(below, value):
            merged[key] = _merge(below, value)
        else:
            merged[key] = value
    return merged


def _same_type(below: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
    return bool(over.get("type", below.get("type")) == below.get("type"))


def _field_error(fault: Any, document: Mapping[str, Any]) -> FieldError:
    names_a_field = fault["type"] in ("extra_forbidden", "missing")
    location = _in_document(fault["loc"], document, names_a_field)
    pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in location)
    detail = _in_words(fault)
    if fault["type"] == "extra_forbidden":
        known = _known_fields(location[:-1], document)
        close = get_close_matches(location[-1], known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
        return FieldError(pointer, "unknown_field", f"unknown field {location[-1]!r}; {hint}")
    return FieldError(pointer, fault["type"], detail)


def _in_words(fault: Any) -> str:
    """Pydantic's message, or a plainer one where it speaks of Python."""
    context = fault.get("ctx", {})
    if fault["type"] == "too_short":
        return f"at least {context['min_length']} is needed, found {context['actual_length']}; add one, or leave it out"
    if fault["type"] == "union_tag_invalid":
        known, given = context["expected_tags"], context["tag"]
        close = get_close_matches(given.lower(), [name.strip(" '") for name in known.split(",")], n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"choose one of: {known}"
        return f"there is no type {given!r}; {hint}"
    if fault["type"] == "union_tag_not_found":
        return "`type` is missing; it says which of the kinds this is"
    message: str = fault["msg"]
    return message.removeprefix("Value error, ")


def _without_echoes(faults: list[FieldError]) -> list[FieldError]:
    """Less "too short" of a list that pydantic has emptied itself, since its entries have faults."""
    return [
        fault
        for fault in faults
        if fault.code != "too_short" or not any(other.pointer.startswith(f"{fault.pointer}/") for other in faults)
    ]


def _in_document(location: Sequence[str | int], document: Mapping[str, Any], names_a_field: bool) -> list[str]:
    """Pydantic's location less the tags of unions, which stand in it and in no document.

    Args:
        names_a_field: whether the last part is a field's name although the document may lack it.
    """
    # encoder cnn kernel_size -> encoder kernel_size
    node: Any = document
    parts = []
    for number, part in enumerate(location):
        inside = part in node if isinstance(node, Mapping) else isinstance(node, list | tuple) and isinstance(part, int)
        if inside:
            node = node[part]
        elif not (names_a_field and number == len(location) - 1):
            continue
        parts.append(str(part))
    return parts


def _known_fields(location: list[str], document: Mapping[str, Any]) -> list[str]:
    root = json_schema()
    schema: dict[str, Any] = root
    node: Any = document
    for part in location:
        node = node[int(part)] if isinstance(node, list | tuple) else node[part]
        schema = schema["items"] if "items" in schema else schema["properties"][part]
        schema = _resolved(schema, root, node)
    return sorted(schema.get("properties", {}))


def _resolved(schema: dict[str, Any], root: dict[str, Any], node: Any) -> dict[str, Any]:
    """The schema that `node` has to meet, references followed and unions decided by its type."""
    if "anyOf" in schema:
        # besides null, some sections may also be a word or a truth value, which have no fields
        schema = next(choice for choice in schema["anyOf"] if choice.get("type") not in _WITHOUT_FIELDS)
    if "oneOf" in schema:
        tagged = schema["discriminator"]
        schema = {
            "$ref": tagged["mapping"].get(node.get(tagged["propertyName"]), next(iter(tagged["mapping"].values())))
        }
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    return schema
