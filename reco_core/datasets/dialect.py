"""Detection of how a CSV file is written: separator, quoting, header."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from itertools import islice
from pathlib import Path

from reco_core.datasets.delimited import Dialect
from reco_core.datasets.mapping import candidates
from reco_core.datasets.names import ITEM, RATING, TIMESTAMP, USER
from reco_core.datasets.spec import DatasetSpec

_SEPARATORS = (",", "\t", ";", "|", "::")
_HEAD = 1 << 18
_SAMPLE = 20
_NUMBER = re.compile(r"\s*[-+]?\d+(\.\d+)?\s*$")


def detected(path: Path, spec: DatasetSpec) -> Dialect:
    """The dialect of a file, as far as the spec doesn't give it, from its first lines."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if len(head) == _HEAD:
        head = head[: head.rfind(b"\n") + 1] or head
    text = head.decode("utf-8-sig" if spec.encoding == "utf-8" else spec.encoding, "replace")
    separator = spec.separator or _separator(text)
    quoting = _is_quoted(text, separator)
    records = _records(text, separator, quoting)
    header = spec.header if spec.header is not None else not (records and _is_data(records[0]))
    return Dialect(separator, quoting=quoting, header=header, encoding=spec.encoding)


def _separator(text: str) -> str:
    """The separator that splits the first lines most evenly, then into most fields."""
    best, best_score = ",", (0.0, 0)
    for separator in _SEPARATORS:
        counts = [len(fields) for fields in _records(text, separator, _is_quoted(text, separator))]
        width, times = Counter(counts).most_common(1)[0] if counts else (1, 0)
        score = (times / len(counts) if width > 1 else 0.0, width)
        if score > best_score:
            best, best_score = separator, score
    return best


def _is_quoted(text: str, separator: str) -> bool:
    """Quotation marks mean something in CSV; elsewhere they are text, unless some field stands between two of them."""
    if separator in ",;":
        return True
    if len(separator) > 1:
        return False
    apart = re.escape(separator)
    return re.search(f'(^|{apart})"[^"]*"({apart}|\r?$)', text, re.MULTILINE) is not None


def _records(text: str, separator: str, quoting: bool) -> list[list[str]]:
    if not quoting:
        lines = (line for line in text.splitlines() if line.strip())
        return [line.split(separator) for line in islice(lines, _SAMPLE)]
    try:
        return list(islice(filter(None, csv.reader(io.StringIO(text), delimiter=separator)), _SAMPLE))
    except csv.Error:
        return []  # the reader proper says what is wrong


def _is_data(fields: list[str]) -> bool:
    """Whether a first line is a row rather than names: it has numbers, and no name that is known."""
    known = any(candidates(fields, names) for names in (USER, ITEM, TIMESTAMP, RATING))
    return not known and any(_NUMBER.match(field) for field in fields)
