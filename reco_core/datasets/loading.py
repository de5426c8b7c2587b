"""The door of stage 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from reco_core.datasets import detect, movielens, recbole, sequences, sources, tabular
from reco_core.datasets.assemble import assemble
from reco_core.datasets.limits import Limits
from reco_core.datasets.spec import DatasetSpec, Format
from reco_core.datasets.tables import RawLog
from reco_core.datasets.types import Interactions
from reco_core.errors import DatasetUnreadable


def load(
    source: Path, spec: DatasetSpec | None = None, limits: Limits | None = None, elsewhere: Sequence[Path] = ()
) -> Interactions:
    """The interactions in a file, folder or zip.

    Args:
        elsewhere: tables that lie outside `source`; `spec` may name them by their whole path, and no other file there.

    Raises:
        DatasetInvalid: malformed rows (the error carries the whole report), columns or files that aren't there.
        DatasetTooSmall: empty, or one user or item only.
        DatasetTooLarge: more rows or columns than the limits allow.
        DatasetUnreadable: not the format it claims to be, damaged, or not there.
        ArchiveRejected: a zip that is unsafe to unpack.
    """
    spec, limits = spec or DatasetSpec(), limits or Limits()
    try:
        with sources.opened(source, limits, elsewhere) as files:
            format_, name = detect.choose(files, spec)
            return assemble(_read(files, name, format_, spec, limits), spec, limits)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        # the readers check what they can foresee; a parser's own words are all there is for the rest
        raise DatasetUnreadable(f"{source.name}: can't be read ({str(error)[:300]})") from error


def _read(files: sources.Files, name: str, format_: Format, spec: DatasetSpec, limits: Limits) -> RawLog:
    if format_ == "movielens":
        return movielens.read(files, name, spec, limits)
    if format_ == "recbole":
        return recbole.read(files, name, spec, limits)
    if format_ == "sequences":
        return sequences.read(files, name, spec, limits)
    return tabular.read(files, name, format_, spec, limits)
