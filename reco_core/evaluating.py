"""A bundle evaluated again: its files as shipped, on the log it was trained on or on another. No TensorFlow."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reco_core import bundle as bundles
from reco_core import datasets, evaluation, examples, report_page, stored_zip
from reco_core.config import EVALUATION_CHANGES, JobConfig, with_changes
from reco_core.config.example_key import split_settings
from reco_core.datasets.types import Interactions
from reco_core.environment import available_cores, ranking_threads
from reco_core.errors import Interrupted
from reco_core.evaluation import BASELINES, Evaluation, Scorer, evaluate, original_metrics
from reco_core.inference import FileScorer
from reco_core.matching import Matched, match
from reco_core.measurements import Measurements
from reco_core.progress import Reporter, SilentReporter
from reco_core.shipped import Shipped, open_bundle


def evaluate_again(
    bundle: Path,
    source: Interactions,
    out: Path,
    *,
    changes: Mapping[str, Any] | None = None,
    variants: Sequence[str] | None = None,
    reporter: Reporter | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Rank the test labels of a log with a bundle's files; write report.json, report.html, measurements.json
    and ranks.npz to `out`.

    The log needs not be the one that the model was trained on. Items are matched by raw id: those that the model
    doesn't know are left out of contexts, and as labels they are misses. Features that the log says nothing of are
    missing, which the report's warnings say. Baselines are fitted on the log's own training part.

    Args:
        bundle: folder of an unpacked bundle.
        changes: fields of the bundle's config that are to differ, as `{"evaluation": {"protocol": "reference"}}`; see
            `config.EVALUATION_CHANGES`.
        variants: which files to rank; the report is about the default variant, or the first of these if it isn't among
            them. None: the default variant alone.
        should_stop: asked between rankings.

    Returns:
        The report.

    Raises:
        NotABundle: a file is missing or is not what the manifest says.
        ConfigInvalid: a change isn't possible, or the bundle has no such variant.
        DatasetTooSmall: nothing is left to evaluate on.
        OutputExists: `out` is there and not empty.
        Interrupted: `should_stop` said so; nothing was written.
    """
    reporter = reporter or SilentReporter()
    bundles.require_free(out)
    measured = Measurements()
    with measured.phase("build_examples", reporter):
        shipped = open_bundle(bundle, variants)
        config = with_changes(shipped.config, changes or {}, EVALUATION_CHANGES)
        data_hash = datasets.content_hash(source)
        matched = match(examples.generate(config, source, shipped.features), shipped.item_ids)

    with measured.phase("evaluate", reporter):
        rankings = _rank(shipped, config, matched, reporter, should_stop)
        report = {
            "default_variant": shipped.main,
            **evaluation.report(
                matched.example_set,
                rankings.files[shipped.main],
                baselines=rankings.baselines,
                repeats=config.repeats,
                seed=config.seed,
                bootstrap_samples=config.evaluation.bootstrap_samples,
                variants={name: _variant(shipped.files[name], found) for name, found in rankings.files.items()},
                training=shipped.training,
                left_out=config.evaluation.baselines_left_out(matched.example_set.vocabulary.size),
            ),
        }
        if shipped.neighbours is not None:
            report["neighbours"] = dict(shipped.neighbours)
        report["evaluated"] = _facts(shipped, matched, data_hash)
        report["warnings"] += _remarks(shipped, config, matched, data_hash)
        report["warnings"] += _on_features(examples.without_values(config.features, source))
        if rankings.original is not None:
            report["original_metrics"] = rankings.original
        for name, path in shipped.files.items():
            measured.file(name, path, matched.model_items, shipped.form)

    folder = out.with_name(out.name + ".partial")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    text = json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    (folder / "report.json").write_text(text, encoding="utf-8", newline="\n")
    main = rankings.files[shipped.main]
    evaluation.write_ranks(folder / "ranks.npz", main, matched.example_set, data_hash, repeats=config.repeats)
    report_page.write(
        folder,
        report=report,
        measured=measured.write(folder / "measurements.json"),
        history=(),
        config=config.model_dump(mode="json"),
        data_hash=data_hash,
    )
    _publish(folder, out)
    return report


@dataclass(frozen=True)
class _Rankings:
    files: Mapping[str, Evaluation]
    baselines: Mapping[str, Evaluation]
    original: dict[str, Any] | None


def _rank(
    shipped: Shipped, config: JobConfig, matched: Matched, reporter: Reporter, should_stop: Callable[[], bool]
) -> _Rankings:
    wanted = config.evaluation
    baseline_names = wanted.baselines_for(matched.example_set.vocabulary.size)
    total = len(shipped.files) + len(baseline_names)
    done = 0

    def measure(scorer: Scorer, known: NDArray[np.bool_] | None = None) -> Evaluation:
        nonlocal done
        if should_stop():
            raise Interrupted("stopped during the evaluation; nothing was written")
        found = evaluate(
            scorer,
            matched.example_set,
            "test",
            ks=wanted.k,
            repeats=config.repeats,
            seed=config.seed,
            bootstrap_samples=wanted.bootstrap_samples,
            known=known,
            threads=ranking_threads(),
        )
        done += 1
        reporter.progress(done, total, "rankings")
        return found

    files, original = {}, None
    with ExitStack() as stack:
        for name, path in shipped.files.items():
            file = stack.enter_context(FileScorer(path, available_cores(), shipped.form))
            scorer = matched.scorer(file)
            files[name] = measure(scorer, shipped.trained[matched.to_model])
            if name == shipped.main and wanted.protocol == "reference":
                original = original_metrics(
                    scorer,
                    matched.example_set,
                    "test",
                    batch_size=config.training.batch_size_for(len(matched.example_set.train)),
                    ks={*wanted.k, 10},
                    seed=config.seed,
                )
    baselines: dict[str, Evaluation] = {
        name: measure(BASELINES[name](matched.example_set, repeats=config.repeats)) for name in baseline_names
    }
    return _Rankings(files, baselines, original)


def _variant(path: Path, found: Evaluation) -> dict[str, Any]:
    figures = {name: found[name] for name in ("recall@10", "ndcg@10")}
    return {"bytes": path.stat().st_size, **figures, "refused": None}


def _facts(shipped: Shipped, matched: Matched, data_hash: str) -> dict[str, Any]:
    candidates = matched.example_set.vocabulary.size
    return {
        "bundle": {"manifest_sha256": shipped.manifest_sha256, "data_hash": shipped.data_hash},
        "data_hash": data_hash,
        "same_dataset": data_hash == shipped.data_hash,
        "candidates": candidates,
        "unknown_items": candidates - matched.model_items,
        "unknown_labels": matched.unknown_labels("test"),
        "unknown_interactions": matched.unknown_interactions,
    }


def _remarks(shipped: Shipped, config: JobConfig, matched: Matched, data_hash: str) -> list[str]:
    lines = []
    unknown = matched.unknown_labels("test")
    if unknown:
        lines.append(
            f"{unknown} of {len(matched.example_set.test)} test labels are items that the model doesn't know; they "
            "count as misses"
        )
    if data_hash == shipped.data_hash and split_settings(config) != split_settings(shipped.config):
        lines.append(
            "the model was trained on this log under another split, so test labels may have been in its training and "
            "figures read too high; train under this protocol for a fair figure"
        )
    return lines


def _on_features(missing: Sequence[str]) -> list[str]:
    if not missing:
        return []
    return [
        f"the log says nothing of {', '.join(missing)}, which the model reads; it was given no value of them, as by an "
        "app that passes none. Columns of the log itself are read where the mapping names them as features"
    ]


def _publish(folder: Path, out: Path) -> None:
    for path in folder.iterdir():
        stored_zip.sync(path)
    if out.exists():
        out.rmdir()
    folder.rename(out)
    stored_zip.sync(out.parent)
