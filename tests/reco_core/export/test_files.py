"""Sizes and bytes of the files."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_float16_takes_half_and_int8_holds_one_copy_of_the_table(export_untrained):
    items, dim = 4000, 32
    _, _, files = export_untrained(items, model={"embedding_dim": dim, "item_bias": False}, export={"top_k": 20})
    weights = (items + 1) * dim
    sizes = {name: variant.bytes for name, variant in files.variants.items()}
    # beside the table there are the projection and the graphs
    assert 4 * weights < sizes["float32"] < 4 * weights + 40_000
    assert 2 * weights < sizes["float16"] < 2 * weights + 40_000
    scales = 2 * (items + 1)  # and biases, a byte each
    assert weights + scales < sizes["dynamic_int8"] < weights + scales + 45_000
    for name, variant in files.variants.items():
        assert variant.bytes == variant.path.stat().st_size
        assert variant.path.name == f"{name}.tflite"


def test_float32_is_always_made(export_untrained):
    _, _, files = export_untrained(10, export={"variants": ["float16"]})
    assert list(files.variants) == ["float32", "float16"]
