"""Times, throughput, latency and memory of a run: true of one machine at one hour, so kept out of the bundle."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from reco_core.inference import Recommender
from reco_core.progress import Phase, Reporter
from reco_core.tensor_forms import IndexForm

if TYPE_CHECKING:
    # they bring TensorFlow, which measuring a shipped file needs none of
    from reco_core.export import ExportedFiles
    from reco_core.training import TrainedModel

_CALLS = 200


class Measurements:
    """Collects while the pipeline runs."""

    def __init__(self) -> None:
        self._document: dict[str, Any] = {"phases": {}, "training": {}, "variants": {}}

    @contextmanager
    def phase(self, name: Phase, reporter: Reporter) -> Iterator[None]:
        """Announce a phase and time it."""
        reporter.phase(name)
        began = time.perf_counter()
        yield
        self._document["phases"][name] = {"seconds": round(time.perf_counter() - began, 3)}

    def training(self, trained: TrainedModel) -> None:
        """Throughput of this process's own epochs."""
        rate = trained.examples_per_second
        self._document["training"] = {
            "examples": trained.examples,
            "examples_per_second": None if rate is None else round(rate),
        }

    def files(self, files: ExportedFiles) -> None:
        """Median latency of `recommend` on one thread, for each variant."""
        for name, variant in files.variants.items():
            self.file(name, variant.path, files.shape.items, files.form)

    def file(self, name: str, path: Path, items: int, form: IndexForm | None = None) -> None:
        """Size and latency of one file, which knows `items` items."""
        self._document["variants"][name] = {
            "bytes": path.stat().st_size,
            "latency_ms": round(_latency_ms(path, items, form), 4),
        }

    def write(self, path: Path) -> Mapping[str, Any]:
        """Write what was measured, peak memory of this process included; the document that was written."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self._document["peak_memory_bytes"] = peak if sys.platform == "darwin" else peak * 1024
        path.write_text(json.dumps(self._document, indent=1) + "\n", encoding="utf-8")
        return self._document


def _latency_ms(path: Path, items: int, form: IndexForm | None) -> float:
    recommender = Recommender(path, threads=1, form=form)
    random = np.random.default_rng(0)
    histories = random.integers(1, items + 1, (_CALLS, recommender.history_length)).astype(np.int32)
    times = []
    for tensors in [recommender.tensors(history) for history in histories]:
        began = time.perf_counter()
        recommender.run(tensors)
        times.append(time.perf_counter() - began)
    return median(times) * 1000
