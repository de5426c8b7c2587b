"""Sizes and bytes of the files."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def test_float16_takes_half_and_int8_holds_one_copy_of_the_table(export_untrained):
    items, dim = 4000, 32
    _, _, files = export_untrained(items, model={"embedding_dim": dim, "item_bias": False}, export={"top_k": 20})
    weights = (items + 1) * dim
    sizes = {name: variant.bytes for name, variant in files.variants.items()}
    # beside the table there are the projection and the graphs
    assert 4 * weights < sizes["float32"] < 4 * weights + 40_000
    assert 2 * weights < sizes["float16"] < 2 * weights + 40_000
    assert weights < sizes["dynamic_int8"] < weights + 40_000
    for name, variant in files.variants.items():
        assert variant.bytes == variant.path.stat().st_size
        assert variant.path.name == f"{name}.tflite"


def test_float32_is_always_made(export_untrained):
    _, _, files = export_untrained(10, export={"variants": ["float16"]})
    assert list(files.variants) == ["float32", "float16"]


SCRIPT = """
import hashlib, sys, tempfile
from pathlib import Path
sys.path.insert(0, "tests")
import conftest
from reco_core import examples, export, model, training
training.configure()
config = conftest.tiny_config(sys.argv[1])
vocabulary = examples.generate(config, conftest.planted_log(3, users=30)).vocabulary
with tempfile.TemporaryDirectory() as folder:
    files = export.export(config, model.build(config, vocabulary), vocabulary.size, Path(folder))
    for variant in files.variants.values():
        print(hashlib.sha256(variant.path.read_bytes()).hexdigest())
"""


@pytest.mark.slow
def test_two_processes_write_the_same_bytes():
    def run() -> list[bytes]:
        command = [sys.executable, "-c", SCRIPT, "cnn"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, timeout=150, check=True).stdout.split()

    first = run()
    assert len(set(first)) == 3
    assert len(first[0]) == len(hashlib.sha256().hexdigest())
    assert run() == first
