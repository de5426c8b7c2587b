"""The SavedModel, which every conversion starts from, and which may be kept."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf

from reco_core import stored_zip

FILE_NAME = "saved_model.zip"


@contextmanager
def saved(module: Any, signatures: Mapping[str, Any], keep: Path | None = None) -> Iterator[str]:
    """A temporary folder with the SavedModel of `module`.

    Args:
        signatures: concrete functions by name.
        keep: where to write it as a zip too. Unpacked, `tf.saved_model.load` reads it. Names of functions inside
            depend on what the process traced before, so its bytes do too.
    """
    with tempfile.TemporaryDirectory(prefix="pocketrec-saved-model-") as folder:
        tf.saved_model.save(module, folder, signatures=signatures)
        if keep is not None:
            stored_zip.write(Path(folder), keep)
        yield folder
