"""Which format a source has, and which of its files is the log."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from reco_core.datasets.mapping import normalised
from reco_core.datasets.names import ITEM_FILES, LOG_FILES, MOVIELENS_FILES, OTHER_FILES, USER_FILES
from reco_core.datasets.sources import Files
from reco_core.datasets.spec import DatasetSpec, Format
from reco_core.errors import DatasetInvalid, DatasetUnreadable, FieldError

_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".dat": "csv",
    ".data": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".inter": "recbole",
}
_HEAD = 1 << 16
_PACKED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"7z": "7-zip", b"\x28\xb5": "Zstandard"}


def choose(files: Files, spec: DatasetSpec) -> tuple[Format, str]:
    """The format and the log's name.

    Raises:
        DatasetInvalid: several files could be the log, or the one named isn't there.
        DatasetUnreadable: nothing here looks like a log.
    """
    if spec.path is not None:
        name = files.named(spec.path, "/path")
        return (format_of(files.path(name), name) if spec.format == "auto" else spec.format), name
    if spec.format in ("auto", "movielens"):
        found = _movielens_log(files)
        if found is not None and (spec.format == "movielens" or _is_movielens(files, found)):
            return "movielens", found
    if spec.format == "movielens":
        if files.main is not None:
            return "movielens", files.main
        raise _nothing(files, "u.data, ratings.dat or ratings.csv")
    if files.main is not None:
        return (format_of(files.path(files.main), files.main) if spec.format == "auto" else spec.format), files.main
    if spec.format in ("auto", "recbole"):
        logs = [name for name in files.names if name.endswith(".inter")]
        if logs:
            return "recbole", _only(files, logs)
        if spec.format == "recbole":
            raise _nothing(files, "a file that ends in .inter")
    return _by_suffix(files, spec)


def format_of(path: Path, name: str) -> Format:
    """The format of one file, by its first bytes, then its name, then its first lines.

    Raises:
        DatasetUnreadable: compressed, or a document that is no log.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    packed = next((kind for magic, kind in _PACKED.items() if head.startswith(magic)), None)
    if packed and not head[:200].isascii():
        raise DatasetUnreadable(f"{name}: compressed with {packed}; unpack it, or pack it as a zip")
    if head.startswith(b"PAR1"):
        return "parquet"
    suffix = PurePosixPath(name).suffix.casefold()
    if suffix == ".zip":
        raise DatasetUnreadable(f"{name}: not a zip, whatever its name says; zip the files again")
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"{"):
        return "jsonl"
    if text.startswith(b"["):
        raise DatasetUnreadable(f"{name}: a JSON array; write one object a line instead (JSONL)")
    return "sequences" if _looks_like_sequences(text) else "csv"


def _looks_like_sequences(head: bytes) -> bool:
    """Lines of words apart by blanks, of different lengths, with none of the separators of tables."""
    lines = head.decode("utf-8", "replace").splitlines()[:200]
    if len(head) == _HEAD:
        lines = lines[:-1] or lines
    words = [len(line.split()) for line in lines if line.strip()]
    if not words or any(re.search(r"[,;|]|::", line) for line in lines):
        return False
    return min(words) >= 2 and max(words) > 2 and (len(set(words)) > 1 or max(words) > 8)


def _movielens_log(files: Files) -> str | None:
    names = files.names if files.main is None else (files.main,)
    logs = (name for wanted in MOVIELENS_FILES for name in names if PurePosixPath(name).name == wanted)
    return next(logs, None)


def _is_movielens(files: Files, name: str) -> bool:
    """A `ratings.csv` is MovieLens' only if its header says so; the other names speak for themselves."""
    if PurePosixPath(name).name != "ratings.csv":
        return True
    with files.path(name).open("rb") as file:
        header = file.read(200).removeprefix(b"\xef\xbb\xbf").splitlines()[:1]
    return header == [b"userId,movieId,rating,timestamp"]


def _by_suffix(files: Files, spec: DatasetSpec) -> tuple[Format, str]:
    logs: dict[str, Format] = {}
    for name in files.names:
        kind = _SUFFIXES.get(PurePosixPath(name).suffix.casefold())
        if kind is None and PurePosixPath(name).suffix.casefold() in ("", ".txt") and not _is_about(name):
            kind = spec.format if spec.format != "auto" else format_of(files.path(name), name)
        if kind is not None and spec.format in ("auto", kind, "sequences"):
            logs[name] = kind
    if not logs:
        raise _nothing(files, "a .csv, .tsv, .parquet, .jsonl or .inter file, or MovieLens files")
    name = _only(files, list(logs))
    return (logs[name] if spec.format == "auto" else spec.format), name


def _only(files: Files, names: list[str]) -> str:
    """The one that is the log: the only one, the one named like a log, or the only one not named like a table."""
    if len(names) == 1:
        return names[0]
    rest = [name for name in names if not is_item_table(name)]
    named = [name for name in rest if _stem(name) in LOG_FILES]
    for group in (named, rest, [name for name in rest if not is_user_table(name)]):
        if len(group) == 1:
            return group[0]
    listed = ", ".join(sorted(names)[:10])
    raise DatasetInvalid(
        f"{files.label}: several files could be the log: {listed}; give that file, or its name as `path` in the spec",
        [FieldError("/path", "log_ambiguous", f"could each be the log: {listed}")],
    )


def is_item_table(name: str) -> bool:
    """Whether a file is named like an item table."""
    return _stem(name) in ITEM_FILES


def is_user_table(name: str) -> bool:
    """Whether a file is named like a user table."""
    return _stem(name) in USER_FILES


def _stem(name: str) -> str:
    return normalised(PurePosixPath(name).stem)


def _is_about(name: str) -> bool:
    return _stem(name) in OTHER_FILES


def _nothing(files: Files, expected: str) -> DatasetUnreadable:
    listed = ", ".join(files.names[:10]) or "nothing"
    return DatasetUnreadable(f"{files.label}: no log found; expected {expected}; there is {listed}")
