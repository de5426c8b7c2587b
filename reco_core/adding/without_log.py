"""A longer bundle made without the log: files are converted and verified anew, figures carried over."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reco_core import bundle, environment, export, model, report_page, training
from reco_core.adding.base import BaseBundle
from reco_core.adding.checks import drawn_histories, inputs_of, lists_of, require_same_model
from reco_core.config import JobConfig, VariantName
from reco_core.environment import available_cores
from reco_core.errors import ParityFailed
from reco_core.examples import ExampleSet, FeatureTable, Vocabulary
from reco_core.export import GOLDEN_TOLERANCE, ExportedFiles, Parity
from reco_core.inference import FileScorer
from reco_core.measurements import Measurements
from reco_core.progress import Reporter
from reco_core.training import ModelWeights, model_scorer

_CARRIED = "test", "baselines", "comparison"


@dataclass(frozen=True)
class Longer:
    """What the longer bundle is made of."""

    weights: ModelWeights
    vocabulary: Vocabulary
    features: Mapping[str, FeatureTable]


def write_bundle(
    base: BaseBundle,
    longer: Longer,
    facts: Mapping[str, Any],
    notes: list[str],
    out: Path,
    work: Path,
    measured: Measurements,
    reporter: Reporter,
) -> bundle.Manifest:
    """Stages 5 to 7, but for the evaluation.

    Args:
        facts: what manifest and report say of the added items.
        notes: warnings for the report.

    Raises:
        CheckpointMismatch, ConfigInvalid, ParityFailed: see `add_items`.
    """
    config, vocabulary, runtime = base.config, longer.vocabulary, training.configure()
    dual_encoder = model.build(model.config_for_export(config), vocabulary, longer.features)
    training.assign_weights(dual_encoder, longer.weights)
    scorer = model_scorer(dual_encoder)
    histories = drawn_histories(config, vocabulary, longer.features, len(longer.weights.added))
    require_same_model(base, scorer, histories)
    with tempfile.TemporaryDirectory(prefix="variants-", dir=work) as folder:
        with measured.phase("export", reporter):
            files = export.export(
                config,
                dual_encoder,
                vocabulary,
                Path(folder) / "variants",
                reporter,
                features=longer.features,
                calibration=inputs_of(histories, dual_encoder.history_length),
            )
        with measured.phase("verify", reporter):
            golden, parity = _verified(config, files, histories, scorer)
            shipped = [name for name in files.variants if parity[name].refused is None]
            default = _default(config, base, shipped)
            measured.files(files)
        assets = None
        if files.app_items is not None:
            assets = Path(folder) / "assets"
            export.write_assets(assets, config, vocabulary, files.app_items, files.variants[default].path)
        report = _report(base, files, default, parity, facts, notes)
        manifest = bundle.write(
            out,
            vocabulary=vocabulary,
            variants={name: files.variants[name].path for name in shipped},
            default_variant=default,
            report=report,
            golden={"tolerance": GOLDEN_TOLERANCE, "variants": {name: {"cases": golden[name]} for name in shipped}},
            features=longer.features,
            form=files.form,
            assets=assets,
            details={
                **{key: base.manifest[key] for key in ("layout", "ids", "config", "seed", "data_hash", "metrics")},
                **({"base": base.manifest["base"]} if "base" in base.manifest else {}),
                "signatures": files.shape.signatures(),
                "operators": {name: export.operators(files.variants[name].path) for name in shipped},
                "vocabulary_size": vocabulary.size,
                "added_items": {**facts, "metrics": "carried over"},
                "environment": environment.describe(runtime.threads, runtime.xla),
            },
        )
    report_page.write(
        work,
        report=report,
        measured=measured.write(work / "measurements.json"),
        history=(),
        config=config.model_dump(mode="json"),
        data_hash=base.data_hash,
    )
    return manifest


def _verified(
    config: JobConfig, files: ExportedFiles, histories: ExampleSet, scorer: Any
) -> tuple[dict[VariantName, list[dict[str, Any]]], dict[VariantName, Parity]]:
    """Golden vectors and parity of each file."""
    keras = lists_of(scorer, histories)
    golden, parity = {}, {}
    for name, variant in files.variants.items():
        with FileScorer(variant.path, available_cores(), files.form) as file:
            found = export.check_parity(name, lists_of(file, histories), keras, scorer, histories)
        golden[name] = export.golden_cases(variant.path, histories, config.export.exclude_ids, config.seed, files.form)
        refused = found.refused
        if refused is None and export.check_recommend(
            variant.path,
            histories,
            repeats=config.repeats,
            users=len(histories.validation),
            seed=config.seed,
            form=files.form,
        ):
            refused = "`recommend` and `score_all` give different lists"
        if refused is None and not export.reproduces(variant.path, golden[name], form=files.form):
            refused = "its golden vectors don't reproduce"
        parity[name] = Parity(found.overlap, found.ndcg_loss, refused)
    if parity["float32"].refused:
        raise ParityFailed(
            f"the exported float32 file doesn't rank as the model does: {parity['float32'].refused}; nothing was "
            "published"
        )
    return golden, parity


def _default(config: JobConfig, base: BaseBundle, shipped: list[VariantName]) -> VariantName:
    """The base's default variant where it may still be shipped, or else the nearest to the model."""
    wanted = base.manifest["default_variant"]
    return next(name for name in (wanted, config.export.default_variant, "float16", "float32") if name in shipped)


def _report(
    base: BaseBundle,
    files: ExportedFiles,
    default: VariantName,
    parity: Mapping[VariantName, Parity],
    facts: Mapping[str, Any],
    notes: list[str],
) -> dict[str, Any]:
    """The base's report, with what is new said of the files, and that nothing else is."""
    before = base.report["variants"]
    carried = (
        f"the figures are those of the version without the {facts['items']:,} added items, which the log says nothing "
        "of; they were not measured again"
    )
    variants = {
        name: {
            "bytes": variant.bytes,
            **{key: before.get(name, {}).get(key) for key in ("recall@10", "ndcg@10")},
            "overlap@10": parity[name].overlap,
            "refused": parity[name].refused,
        }
        for name, variant in files.variants.items()
    }
    return {
        **base.report,
        "default_variant": default,
        "variants": variants,
        "added_items": {**facts, "metrics": "carried over"},
        "warnings": [*(line for line in base.report["warnings"] if line not in notes), carried, *notes],
    }
