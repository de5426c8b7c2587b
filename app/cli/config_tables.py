"""The schema of job configs as Markdown tables, for docs/job-config.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]


def markdown_tables(schema: Schema) -> str:
    """A table for each section: field, type, default, meaning. One that stands in several places has its table once."""
    return "\n".join(_Page(schema["$defs"]).lines(schema)) + "\n"


class _Page:
    """Sections are written where they are met first; `places` then knows their names, such as `examples.tfrecord`."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions
        self._places: dict[str, str] = {}

    def lines(self, schema: Schema) -> Iterator[str]:
        """The whole page: the fields of the top level, then each section with those inside it."""
        fields = schema["properties"]
        yield from ["### Top level", ""]
        yield from self._table({name: field for name, field in fields.items() if not _sections(field)})
        for name, field in fields.items():
            yield from self._inside(name, field)

    def _inside(self, place: str, field: Schema) -> Iterator[str]:
        found = [section for section in _sections(field) if section not in self._places]
        # all first: a table may refer to one that comes later
        self._places.update(dict.fromkeys(found, place))
        for section in found:
            yield from self._section(place, self._definitions[section])

    def _section(self, place: str, definition: Schema) -> Iterator[str]:
        properties = definition["properties"]
        tag = properties.get("type", {}).get("const")
        yield from ["", f"### `{place}`" if tag is None else f"### `{place}` with `type: {tag}`", ""]
        yield from [definition.get("description", "").strip(), ""]
        fields = {name: field for name, field in properties.items() if name != "type" or tag is None}
        inside = {f"{place}.{name}{'[]' if 'items' in field else ''}": field for name, field in fields.items()}
        tables = [list(self._inside(name, field)) for name, field in inside.items()]
        yield from self._table(fields, definition.get("required", ())) if fields else ["No fields of its own."]
        for lines in tables:
            yield from lines

    def _table(self, fields: Mapping[str, Schema], required: tuple[str, ...] = ()) -> Iterator[str]:
        yield from ["| field | type | default | meaning |", "|---|---|---|---|"]
        for name, field in fields.items():
            default = "required" if name in required else f"`{json.dumps(field.get('default'))}`"
            cells = (f"`{name}`", self._type(field), default, field.get("description", ""))
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    def _type(self, field: Schema) -> str:
        if "anyOf" in field:
            return " or ".join(self._type(option) for option in field["anyOf"])
        if "const" in field:
            return f"`{field['const']}`"
        if "enum" in field:
            return ", ".join(f"`{value}`" for value in field["enum"])
        if field.get("type") == "array":
            inside = "sections" if (sections := _sections(field)) else self._type(field["items"])
            return f"list of {inside}" + (f" `{self._places[sections[0]]}`" if sections else "")
        if sections := _sections(field):
            return f"section `{self._places[sections[0]]}`"
        return " ".join([str(field.get("type", "any")), *_bounds(field)])


def _sections(field: Schema) -> list[str]:
    """The sections that a field may hold, one of them or a list of them."""
    parts = [field, *field.get("oneOf", ()), *field.get("anyOf", ())]
    direct = [part["$ref"].rsplit("/", 1)[1] for part in parts if "$ref" in part]
    return direct or (_sections(field["items"]) if "items" in field else [])


def _bounds(field: Schema) -> Iterator[str]:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    for key, sign in signs.items():
        if key in field:
            yield f"{sign} {field[key]}"
