"""JSON lines: one object a line; the fields of the objects are the columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reco_core.datasets import columns as column_names
from reco_core.datasets.faults import Faults, shown
from reco_core.datasets.kinds import kind_of_json
from reco_core.datasets.limits import Limits
from reco_core.datasets.lines import begin_of, check, mapped
from reco_core.datasets.parse import Compact
from reco_core.datasets.tables import Table
from reco_core.errors import DatasetInvalid, DatasetTooLarge, FieldError

_SAMPLE = 200
_EXAMPLE = '{"user_id": "u1", "item_id": "i1", "timestamp": 1700000000}'


class JsonlFile:
    """A JSONL file; its columns are the fields of the first lines' objects.

    Raises:
        DatasetInvalid: none of the first lines is a JSON object.
        DatasetTooSmall: the file is empty.
        DatasetTooLarge: too many fields.
    """

    def __init__(self, path: Path, name: str, limits: Limits) -> None:
        self.name = name
        self._path = path
        self._limits = limits
        mapped(path, name).close()
        fields: dict[str, list[object]] = {}
        with path.open("rb") as file:
            for _ in range(_SAMPLE):
                for field, value in _object(file.readline(limits.record_bytes)).items():
                    fields.setdefault(field, []).append(value)
                if len(fields) > limits.columns:
                    raise DatasetTooLarge(f"{name}: more than {limits.columns} fields; at most that many are read")
        if not fields:
            raise DatasetInvalid(
                f"{name} line 1: not a JSON object; expected lines like {_EXAMPLE}",
                [FieldError("", "json_invalid", "no JSON object in the first lines")],
            )
        self.columns: Sequence[str] = column_names.checked(list(fields), name, limits)
        self._kinds = tuple(kind_of_json(found) for found in fields.values())

    def kinds(self) -> Sequence[str]:
        """What each field holds in the first lines."""
        return self._kinds

    def read(self, columns: Sequence[str], compact: Compact | None = None) -> Table:  # noqa: ARG002
        """Those fields as text, lists and objects as JSON, null where a field is null or absent.

        `faults` has the lines that are no JSON objects (json_invalid) or no text.
        """
        faults = Faults(self.name)
        data = mapped(self._path, self.name)
        begin = begin_of(data)
        sound = check(data, begin, 1, faults, self._limits)
        wanted = list(dict.fromkeys(columns))
        lines = sound.lines
        try:
            frame = _parse(data[begin:] if sound.complete else sound.text(data), len(lines), wanted)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            text, lines = _only_objects(sound.series(data), lines, faults)
            frame = _parse("\n".join(text).encode(), len(lines), wanted)
        return Table(self.name, frame, lines, faults)


def _parse(text: bytes, rows: int, columns: list[str]) -> pl.DataFrame:
    schema = dict.fromkeys(columns, pl.String)
    if not rows:
        return pl.DataFrame(schema=schema)
    frame = pl.read_ndjson(text, schema=schema)
    if frame.height != rows:
        raise pl.exceptions.ComputeError(f"{rows} lines, {frame.height} objects")
    return frame


def _only_objects(
    text: pl.Series, lines: NDArray[np.integer[Any]], faults: Faults
) -> tuple[pl.Series, NDArray[np.integer[Any]]]:
    # slower than the reader, but it goes on after a fault
    parsed = text.str.json_path_match("$")
    bad = ~parsed.str.starts_with("{").fill_null(False).to_numpy()
    refused = text.filter(pl.Series(bad))
    faults.add(
        "json_invalid", lines[bad], lambda i: f"not a JSON object: {shown(refused[i])}; expected one like {_EXAMPLE}"
    )
    return text.filter(pl.Series(~bad)), lines[~bad]


def _object(line: bytes) -> dict[str, object]:
    try:
        document = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
