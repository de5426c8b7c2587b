"""The gate lets through what ranks as the model does, and nothing else."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reco_core import assessment
from reco_core.errors import ParityFailed
from reco_core.evaluation import evaluate
from reco_core.export import ExportedFiles, check_parity, check_recommend
from reco_core.export.serving import EMPTY_SCORE
from reco_core.inference import FileScorer
from reco_core.progress import SilentReporter


@pytest.fixture
def gate(trained):
    """`gate(variant, path) -> Parity` of a file beside the trained bow model."""
    from reco_core.training import model_scorer

    _config, example_set, found = trained("bow")
    scorer = model_scorer(found.model)
    keras = evaluate(scorer, example_set, "validation", bootstrap_samples=0)

    def judge(variant: str, path: Path):
        with FileScorer(path) as file:
            return check_parity(
                variant, evaluate(file, example_set, "validation", bootstrap_samples=0), keras, scorer, example_set
            )

    return judge


@pytest.fixture
def perturbed(trained, tmp_path):
    """`perturbed(scale) -> path` of the trained model's float32 file with noise on the item table."""
    from reco_core import export, model

    config, example_set, found = trained("bow")

    def make(scale: float) -> Path:
        other = model.build(config, example_set.vocabulary)
        other.set_weights(found.model.get_weights())
        rows = other.label_encoder.embeddings
        rows.assign(rows.numpy() + np.random.default_rng(0).normal(scale=scale, size=rows.shape))
        only = config.model_copy(update={"export": config.export.model_copy(update={"variants": ("float32",)})})
        return export.export(only, other, example_set.vocabulary, tmp_path / str(scale)).variants["float32"].path

    return make


def test_all_variants_pass(gate, exported):
    for name, variant in exported("bow").variants.items():
        found = gate(name, variant.path)
        assert found.refused is None
        assert found.overlap >= {"float32": 1.0, "float16": 0.99, "dynamic_int8": 0.93}[name]


def test_float32_must_give_the_same_lists(gate, perturbed):
    found = gate("float32", perturbed(0.02))
    assert "top-10 lists differ" in found.refused
    assert found.overlap < 1


def test_differences_below_a_tie_are_let_through(gate, perturbed):
    assert gate("float32", perturbed(1e-7)).refused is None


@pytest.mark.parametrize("name", ["float16", "dynamic_int8"])
def test_other_variants_may_differ_a_little(gate, perturbed, name):
    assert gate(name, perturbed(1e-3)).refused is None
    assert "overlap@10" in gate(name, perturbed(1.0)).refused


def test_another_models_file_is_refused(gate, exported):
    for name in ("float32", "float16", "dynamic_int8"):
        assert gate(name, exported("cnn").variants["float32"].path).refused is not None


def test_evaluations_without_lists_are_no_basis(trained):
    from reco_core.training import model_scorer

    _, example_set, found = trained("bow")
    scorer = model_scorer(found.model)
    bare = evaluate(scorer, example_set, "validation", bootstrap_samples=0, lists=False)
    with pytest.raises(ValueError, match="lists"):
        check_parity("float32", bare, bare, scorer, example_set)


def test_recommend_and_score_all_agree(trained, exported, export_untrained):
    _, example_set, _ = trained("bow")
    path = exported("bow").variants["float16"].path
    assert check_recommend(path, example_set, repeats=False, users=100, seed=1) == 0
    # a file that recommends the history again contradicts a config that doesn't
    _, _, files = export_untrained(example_set.vocabulary.size, only_float32=True, repeats=True)
    wrong = check_recommend(files.variants["float32"].path, example_set, repeats=False, users=100, seed=1)
    assert wrong > 50


def verified(trained, files: ExportedFiles):
    config, example_set, found = trained("bow")
    rankings = assessment.rank(config, found, files, example_set, SilentReporter())
    return assessment.verify(config, found, files, example_set, rankings)


def test_a_wrong_float32_file_publishes_nothing(trained, exported, perturbed):
    files = exported("bow")
    wrong = replace(files.variants["float32"], path=perturbed(0.5))
    with pytest.raises(ParityFailed, match="nothing was published"):
        verified(trained, replace(files, variants={**files.variants, "float32": wrong}))


def test_a_wrong_variant_is_left_out_and_the_default_falls_back(trained, exported, perturbed):
    files = exported("bow")
    wrong = replace(files.variants["float16"], path=perturbed(1.0))
    found = verified(trained, replace(files, variants={**files.variants, "float16": wrong}))
    assert found.shipped == ("float32", "dynamic_int8")
    assert found.default_variant == "float32"
    assert set(found.golden["variants"]) == {"float32", "dynamic_int8"}
    said = {name: variant["refused"] for name, variant in found.report["variants"].items()}
    assert "overlap@10" in said.pop("float16")
    assert said == {"float32": None, "dynamic_int8": None}


def test_a_file_cut_short_is_not_published(trained, exported, tmp_path):
    files = exported("bow")
    path = tmp_path / "cut.tflite"
    shutil.copyfile(files.variants["float32"].path, path)
    path.write_bytes(path.read_bytes()[:2000])
    cut = replace(files.variants["float32"], path=path)
    with pytest.raises(ValueError):  # noqa: PT011 - LiteRT's own error
        verified(trained, replace(files, variants={"float32": cut}))


def test_the_empty_score_is_finite():
    assert np.isfinite(np.float32(EMPTY_SCORE))
