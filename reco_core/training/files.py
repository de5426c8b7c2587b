"""Arrays without pickle in one file, replaced atomically: what checkpoints and weights are made of."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[Any], ...]
# what NumPy and a header's own parsing raise for files that are empty, cut off, altered or something else
UNREADABLE = (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, BadZipFile)


def write_arrays(path: Path, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write `header` and `arrays` to `path`: a reader sees the whole file or none, and the same content, same bytes."""
    text = json.dumps(header, ensure_ascii=False, sort_keys=True).encode()
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.savez(file, header=np.frombuffer(text, np.uint8), **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync_folder(path.parent)


def read_header(file: Any) -> Any:
    """The header of an opened file."""
    return json.loads(file["header"].tobytes())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
