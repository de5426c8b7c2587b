"""The schema of job configs as Markdown tables, for docs/job-config.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]


def markdown_tables(schema: Schema) -> str:
    """One table a section: field, type, default, meaning."""
    lines: list[str] = []
    definitions = schema["$defs"]
    plain = {name: field for name, field in schema["properties"].items() if not _sections(field)}
    lines += ["### Top level", "", *_table(plain)]
    for name, field in schema["properties"].items():
        for section in _sections(field):
            definition = definitions[section]
            tag = definition["properties"].get("type", {}).get("const")
            heading = f"`{name}`" if tag is None else f"`{name}` with `type: {tag}`"
            lines += ["", f"### {heading}", "", definition.get("description", "").strip(), ""]
            fields = {key: value for key, value in definition["properties"].items() if key != "type"}
            lines += _table(fields) if fields else ["No fields of its own."]
    return "\n".join(lines) + "\n"


def _sections(field: Schema) -> list[str]:
    references = [field, *field.get("oneOf", ())]
    return [part["$ref"].rsplit("/", 1)[1] for part in references if "$ref" in part]


def _table(fields: Mapping[str, Schema]) -> list[str]:
    rows = ["| field | type | default | meaning |", "|---|---|---|---|"]
    for name, field in fields.items():
        cells = (f"`{name}`", _type(field), f"`{json.dumps(field.get('default'))}`", field.get("description", ""))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return rows


def _type(field: Schema) -> str:
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    return " ".join([str(field.get("type", "any")), *_bounds(field)])


def _bounds(field: Schema) -> Iterator[str]:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    for key, sign in signs.items():
        if key in field:
            yield f"{sign} {field[key]}"
