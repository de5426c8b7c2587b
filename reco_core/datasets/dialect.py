"""Detection of how a CSV file is written: separator, header."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from reco_core.datasets.delimited import DelimitedFile, Dialect
from reco_core.datasets.limits import Limits
from reco_core.datasets.mapping import candidates
from reco_core.datasets.names import ITEM, RATING, TIMESTAMP, USER
from reco_core.datasets.spec import DatasetSpec

_SEPARATORS = (",", "\t", ";", "|", "::")
_SAMPLE = 20
_NUMBER = re.compile(r"\s*[-+]?\d+(\.\d+)?\s*$")


def detected(path: Path, name: str, spec: DatasetSpec, limits: Limits) -> Dialect:
    """The dialect of a file, as far as the spec doesn't give it.

    Raises:
        DatasetInvalid, DatasetTooSmall: see `DelimitedFile`.
    """
    separator = spec.separator or _separator(path, name, spec, limits)
    probe = DelimitedFile(path, name, Dialect(separator, header=False, encoding=spec.encoding), limits)
    first = probe.sample(1)[0]
    header = spec.header if spec.header is not None else not _is_data(first)
    return Dialect(separator, quoting=separator != "::", header=header, encoding=spec.encoding)


def _separator(path: Path, name: str, spec: DatasetSpec, limits: Limits) -> str:
    """The separator that splits the first lines most evenly, then into most fields."""
    best, best_score = ",", (0.0, 0)
    for separator in _SEPARATORS:
        dialect = Dialect(separator, quoting=separator != "::", header=False, encoding=spec.encoding)
        probe = DelimitedFile(path, name, dialect, limits)
        counts = [len(fields) for fields in probe.sample(_SAMPLE)]
        width, times = Counter(counts).most_common(1)[0]
        score = (times / len(counts) if width > 1 else 0.0, width)
        if score > best_score:
            best, best_score = separator, score
    return best


def _is_data(fields: list[str]) -> bool:
    """Whether a first line is a row rather than names: it has numbers, and no name that is known."""
    known = any(candidates(fields, names) for names in (USER, ITEM, TIMESTAMP, RATING))
    return not known and any(_NUMBER.match(field) for field in fields)
