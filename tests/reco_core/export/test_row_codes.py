"""Tables in eight bits: what a row loses, and what is lost where contexts look."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def code(tensorflow_runtime):
    from reco_core.export.row_codes import code_rows

    return code_rows


def table(items: int = 300, dim: int = 12, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(items + 1, dim)) * random.lognormal(sigma=1.0, size=(items + 1, 1))
    biases = random.normal(size=items + 1)
    rows[0], biases[0] = 0, 0
    return rows.astype(np.float32), biases.astype(np.float32)


def test_each_row_has_steps_of_its_own(code):
    rows, biases = table()
    found, found_biases = code(rows, biases).decoded()
    largest = np.maximum(np.abs(rows).max(axis=1), np.abs(biases))
    # of a scale that is rounded up to a 127th of the largest one
    step = np.maximum(largest, largest.max() / 127) / 127 + largest.max() / 127**2
    assert (np.abs(found - rows) <= 0.51 * step[:, None]).all()
    assert not found[0].any()
    assert found_biases[0] == 0
    assert np.abs(found_biases - biases).max() < 0.6 * step.max()


def test_moments_make_the_scores_of_such_contexts_better(code):
    rows, biases = table()
    random = np.random.default_rng(5)
    # contexts that lie in few directions, as trained ones do
    contexts = random.normal(size=(1000, 4)) @ random.normal(size=(4, 12)) + 0.05 * random.normal(size=(1000, 12))
    known = np.pad(contexts, [(0, 0), (0, 1)], constant_values=1.0)
    truth = contexts @ rows.T + biases

    def error(coded) -> float:
        found, found_biases = coded.decoded()
        return float(np.sqrt(np.square(contexts @ found.T + found_biases - truth).mean()))

    assert error(code(rows, biases, known.T @ known / len(known))) < 0.6 * error(code(rows, biases))


def test_large_biases_do_not_coarsen_the_rows(code):
    rows, _ = table()
    biases = np.linspace(-40, 40, len(rows)).astype(np.float32)
    coded = code(rows, biases)
    assert coded.constant > 2
    assert np.abs(coded.decoded()[1] - biases).max() < 1


@pytest.mark.parametrize("scale", [0.0, 1e-12])
def test_a_table_of_next_to_nothing_has_codes(code, scale):
    rows, biases = table(5)
    coded = code(rows * np.float32(scale), biases * np.float32(scale))
    assert np.isfinite(coded.decoded()[0]).all()
    assert np.allclose(coded.decoded()[0], rows * scale, atol=0.01 * scale * np.abs(rows).max())


def test_the_largest_scale_fills_its_code(code):
    coded = code(*table())
    assert coded.codes[:, -1].max() == 127
    assert coded.codes[:, -1].min() >= 1
    assert np.abs(coded.codes.astype(int)).max() == 127
