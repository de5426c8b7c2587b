"""What a column holds, told from a few of its values: for people, nothing depends on it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

_KINDS = (
    ("integer", re.compile(r"[-+]?\d{1,19}")),
    ("number", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?")),
    ("date_time", re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")),
)


def kind_of(values: Sequence[str]) -> str:
    """What the values of a text column look like: integer, number, date_time, text; `empty` if there are none."""
    present = [value.strip() for value in values if value.strip()]
    if not present:
        return "empty"
    return next((kind for kind, form in _KINDS if all(form.fullmatch(value) for value in present)), "text")


def kinds_of_records(text: str, separator: str, *, quoting: bool, width: int) -> list[str]:
    """`kind_of` for each of `width` columns of a few records."""
    if quoting:
        try:
            records = list(csv.reader(io.StringIO(text), delimiter=separator))
        except csv.Error:
            records = []
    else:
        records = [line.split(separator) for line in text.splitlines()]
    whole = [record for record in records if len(record) == width]
    return [kind_of([record[index] for record in whole]) for index in range(width)]


def kind_of_json(values: Sequence[object]) -> str:
    """What the values of a JSON field are: integer, number, text, boolean, array, object; `mixed`, or `empty`."""
    names = {bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    found = {names.get(type(value), "text") for value in values if value is not None}
    if found == {"text"}:
        return kind_of([str(value) for value in values if value is not None])
    if found == {"integer", "number"}:
        return "number"
    return found.pop() if len(found) == 1 else "mixed" if found else "empty"
