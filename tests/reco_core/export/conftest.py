"""Ready-made files of models that were never trained, where ranks don't matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reco_core.examples import Vocabulary


@pytest.fixture
def export_untrained(tensorflow_runtime, make_config, tmp_path) -> Any:
    """`export_untrained(items, encoder, only_float32=..., **sections) -> (config, model, ExportedFiles)`."""
    from reco_core import export, model

    def make(items: int, encoder: str = "bow", *, only_float32: bool = False, **sections: Any) -> Any:
        if only_float32:
            one = {"variants": ["float32"], "default_variant": "float32"}
            sections["export"] = {**sections.get("export", {}), **one}
        config = make_config(encoder, **sections)
        names = ("<pad>", *map(str, range(1, items + 1)))
        vocabulary = Vocabulary(names, np.ones(items + 1, np.int64), (None,) * (items + 1), None)
        built = model.build(config, vocabulary)
        return config, built, export.export(config, built, vocabulary, tmp_path / "files")

    return make
