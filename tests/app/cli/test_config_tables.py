"""The tables of docs/job-config.md hold every field of every section, once."""

from __future__ import annotations

import re

from app.cli.config_tables import markdown_tables
from reco_core.config import json_schema


def test_every_section_and_field_is_there() -> None:
    schema = json_schema()
    text = markdown_tables(schema)
    headings = re.findall(r"^### (.*)$", text, re.MULTILINE)
    assert len(headings) == len(set(headings)) == 1 + len(schema["$defs"])
    for definition in schema["$defs"].values():
        for name, field in definition["properties"].items():
            assert name == "type" or f"| `{name}` |" in text
            assert field.get("description", "") in text.replace("\\|", "|")
    types = re.findall(r"^\| `\w+` \| ([^|]*) \|", text, re.MULTILINE)
    assert len(types) > 60
    assert not [found for found in types if "any" in found]


def test_sections_within_sections_are_named_by_their_place() -> None:
    text = markdown_tables(json_schema())
    assert "### `examples.tfrecord`" in text
    assert "### `features.history[]` with `type: string`" in text
    assert "| `tfrecord` | section `examples.tfrecord` or boolean or null | `null` |" in text
    assert "| `features` | list of sections `features.history[]` | required |" in text
    assert '| `encoder` | section `encoder` | `{"type": "bow"}` |' in text
