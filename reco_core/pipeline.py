"""The whole job, READ FIRST: each line of `run` is a stage, and its signature is its documentation.

files -> datasets.load -> Interactions                                    1, done by the caller
examples.generate(config, interactions) -> ExampleSet                     2
model.build(config, vocabulary) -> DualEncoder                            3
training.train(config, model, examples) -> TrainedModel                   4
export.export(config, model) -> ExportedFiles                             5
assessment: evaluation of each exported file, baselines, parity, golden   6
bundle.write(...) -> Manifest                                             7
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reco_core import (
    assessment,
    bundle,
    datasets,
    environment,
    evaluation,
    examples,
    export,
    model,
    report_page,
    training,
)
from reco_core.config import EXPORT_CHANGES, JobConfig, with_changes
from reco_core.config.architecture import require_architecture
from reco_core.config.estimate import Limits, machine_memory, require_fit, require_resources, within
from reco_core.datasets.types import Interactions
from reco_core.errors import CheckpointMismatch, FieldError, Interrupted
from reco_core.examples import Prepared
from reco_core.measurements import Measurements
from reco_core.progress import Reporter, SilentReporter

# What a checkpoint must agree with; the rest of the config plays a part only after training.
_TRAINING_FIELDS = {"seed", "repeats", "examples", "encoder", "features", "model", "training", "evaluation"}

# Goes up when the same config and data come to be trained in other steps: no checkpoint of the older ones goes on then.
_STEPS = 3


def run(
    config: JobConfig,
    source: Interactions | Prepared,
    out: Path,
    *,
    work: Path,
    resume_from: Path | None = None,
    base: Path | None = None,
    base_version: str | None = None,
    reporter: Reporter | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> bundle.Manifest:
    """Train, export, evaluate and verify a recommender; write its bundle to the folder `out` in one atomic step.

    Args:
        source: the log, or its examples as `examples.prepare` makes them under the same config; the bundle is the same.
        work: folder for what is no part of the bundle: `checkpoints` to resume from, `weights` to export from again
            (best.npz, and those of the epochs that `training.keep_checkpoints` keeps), `tensorboard` where asked for,
            `measurements.json`, which depends on the machine and the hour, `report.html`, which shows it beside the
            report, and `ranks.npz`, which no phone needs.
        resume_from: a checkpoint of an earlier attempt at the same job; the bundle will be the same as without it.
        base: weights to begin with, which an earlier run left, of the same architecture: a file, or the folder of the
            run; see `training.find_weights`. Items and values are matched by what they are.
        base_version: the published version that they belong to, as the manifest is to name it: `films@3`.
        should_stop: asked several times a second while training.

    Raises:
        DatasetTooSmall, ConfigInvalid, SizeBudgetImpossible, ResourceEstimateExceeded: before any training.
        NoWeights: `base` holds none.
        Diverged, Interrupted, CheckpointMismatch: from training.
        ParityFailed: the exported file doesn't rank as the model does.
        OutputExists: `out` is there and not empty.
    """
    reporter = reporter or SilentReporter()
    bundle.require_free(out)
    measured = Measurements()
    runtime = training.configure()
    earlier = None if base is None else training.read_base(base, base_version)
    if earlier is not None:
        config = within(config, earlier.weights.info.config).without_teachers()
        require_architecture(earlier.weights.info.config, config)

    with measured.phase("build_examples", reporter):
        prepared = _prepared(config, source, reporter)
        example_set, data_hash = prepared.example_set, prepared.data_hash
        warm = examples.warm_only(example_set)
        config = _resolved(config, prepared).for_items(warm.vocabulary.size)
        config, budget = _fitted(config, prepared, reporter, trained=earlier is not None)
        # time is no limit here: who starts it says how long it may take
        require_resources(config, prepared.workload, Limits(memory_bytes=machine_memory()))
        dual_encoder = model.build(config, warm.vocabulary, warm.timelines.features)
        begun_with = None
        if earlier is not None:
            learned_from = replace(prepared, example_set=warm)
            begun_with = _carry_over(config, dual_encoder, learned_from, earlier, reporter)

    with measured.phase("train", reporter):
        trained = training.train(
            config,
            dual_encoder,
            warm,
            checkpoints=work / "checkpoints",
            identity=_identity(config, data_hash, earlier),
            weights=training.WeightsFolder(
                work / "weights", config, data_hash, warm.vocabulary.item_ids, begun_with, budget
            ),
            summaries=training.Summaries(work / "tensorboard") if config.training.tensorboard else None,
            resume_from=resume_from,
            reporter=reporter,
            should_stop=should_stop,
        )
        measured.training(trained)

    trained = replace(trained, model=model.for_export(config, trained.model, warm.vocabulary))
    trained = replace(trained, model=training.with_cold_items(trained.model, example_set))
    return _deliver(config, trained, prepared, out, work, runtime, measured, reporter, begun_with, budget=budget)


def export_again(
    weights: Path,
    source: Interactions | Prepared,
    out: Path,
    *,
    work: Path,
    changes: Mapping[str, Any] | None = None,
    reporter: Reporter | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> bundle.Manifest:
    """Export, evaluate and verify trained weights anew; write their bundle to `out` in one atomic step.

    Without changes it is, byte for byte, the bundle of the run that the weights are the best of.

    Args:
        weights: a file that a run left in its folder `weights`.
        source: the log that they were trained on, or its examples as `examples.prepare` makes them under their config.
        work: as in `run`; there are no checkpoints.
        changes: fields of the config that are to differ, as `{"export": {"top_k": 20}}`; see `config.EXPORT_CHANGES`.
        should_stop: asked between the stages.

    Raises:
        CheckpointMismatch: the file is damaged, belongs to another dataset, or its weights don't fit the model.
        ConfigInvalid: a change isn't possible; the field is named.
        SizeBudgetImpossible, ParityFailed, OutputExists: as in `run`.
        Interrupted: `should_stop` said so.
    """
    reporter = reporter or SilentReporter()
    bundle.require_free(out)
    measured = Measurements()
    runtime = training.configure()

    with measured.phase("build_examples", reporter):
        given = training.read_weights(weights)
        config = with_changes(given.info.config, changes or {}, EXPORT_CHANGES)
        _require_same_data(given, source)
        prepared = _prepared(config, source, reporter, given.added)
        vocabulary = prepared.example_set.vocabulary
        config = _resolved(config, prepared)
        budget = given.info.budget
        if changes:
            config, budget = _fitted(config, prepared, reporter, trained=True, earlier=budget)
        features = prepared.example_set.timelines.features
        dual_encoder = model.build(model.config_for_export(config), vocabulary, features)
        given = training.completed(given, dual_encoder, vocabulary)
        if vocabulary.item_ids != given.item_ids:
            raise CheckpointMismatch(
                f"{weights.name} has {len(given.item_ids) - 1:,} items in another order than this version gives them; "
                "export with the version that trained, or train again"
            )
        training.assign_weights(dual_encoder, given)

    if should_stop():
        raise Interrupted("stopped before the export; nothing was written")
    trained = training.restored(dual_encoder, given.info, len(prepared.example_set.train))
    measured.training(trained)
    added = training.added_facts(given)
    base = given.info.base
    return _deliver(config, trained, prepared, out, work, runtime, measured, reporter, base, added, budget)


def _deliver(
    config: JobConfig,
    trained: training.TrainedModel,
    prepared: Prepared,
    out: Path,
    work: Path,
    runtime: training.Runtime,
    measured: Measurements,
    reporter: Reporter,
    begun_with: Mapping[str, Any] | None,
    added: Mapping[str, Any] | None = None,
    budget: Mapping[str, Any] | None = None,
) -> bundle.Manifest:
    """Stages 5 to 7; `trained.model` reads as many interactions as the files are to read.

    `begun_with`: the weights that training began with, as manifest and report are to state them; `added`: likewise, of
    items that joined after it; `budget`: of what a size budget chose.
    """
    example_set, data_hash = prepared.example_set, prepared.data_hash
    with tempfile.TemporaryDirectory(prefix="variants-", dir=work) as folder:
        with measured.phase("export", reporter):
            trained = training.with_neighbours(config, trained, example_set)
            files = export.export(
                config,
                trained.model,
                example_set.vocabulary,
                Path(folder) / "variants",
                reporter,
                features=example_set.timelines.features,
                keep_saved_model=work / export.SAVED_MODEL if config.export.saved_model else None,
                head=trained.head,
                calibration=export.training_histories(example_set, trained.model.history_length, config.seed),
            )

        with measured.phase("evaluate", reporter):
            rankings = assessment.rank(config, trained, files, example_set, reporter)

        with measured.phase("verify", reporter):
            assessed = assessment.verify(config, trained, files, example_set, rankings)
            if begun_with is not None:
                assessed = replace(assessed, report=training.stated(assessed.report, begun_with))
            if added is not None:
                assessed = replace(assessed, report={**assessed.report, "added_items": dict(added)})
            if budget is not None:
                # in the order in which weights give it back, so that an export again writes the same bytes
                assessed = replace(assessed, report={**assessed.report, "budget": dict(sorted(budget.items()))})
            measured.files(files)

        assets = None
        if files.app_items is not None:
            assets = Path(folder) / "assets"
            shipped_file = files.variants[assessed.default_variant].path
            export.write_assets(assets, config, example_set.vocabulary, files.app_items, shipped_file)

        manifest = bundle.write(
            out,
            vocabulary=example_set.vocabulary,
            variants={name: files.variants[name].path for name in assessed.shipped},
            default_variant=assessed.default_variant,
            report=assessed.report,
            golden=assessed.golden,
            features=example_set.timelines.features,
            form=files.form,
            assets=assets,
            details={
                "layout": config.export.layout,
                "ids": "raw" if config.export.raw_ids else "index",
                "signatures": files.shape.signatures(),
                "operators": {name: export.operators(files.variants[name].path) for name in assessed.shipped},
                "vocabulary_size": example_set.vocabulary.size,
                "config": config.model_dump(mode="json"),
                "seed": config.seed,
                "data_hash": data_hash,
                **({} if begun_with is None else {"base": dict(begun_with)}),
                **({} if added is None else {"added_items": dict(added)}),
                **({} if budget is None else {"budget": dict(budget)}),
                "environment": environment.describe(runtime.threads, runtime.xla),
                "metrics": {
                    "protocol": example_set.protocol,
                    **{name: assessed.report[name] for name in ("test", "baselines", "comparison")},
                },
            },
        )
    shipped = rankings.test[assessed.default_variant]
    evaluation.write_ranks(work / "ranks.npz", shipped, example_set, data_hash, repeats=config.repeats)
    report_page.write(
        work,
        report=assessed.report,
        measured=measured.write(work / "measurements.json"),
        history=trained.history,
        config=config.model_dump(mode="json"),
        data_hash=data_hash,
    )
    return manifest


def _prepared(
    config: JobConfig,
    source: Interactions | Prepared,
    reporter: Reporter,
    added: Sequence[examples.AddedItem] = (),
) -> Prepared:
    prepared = source if isinstance(source, Prepared) else examples.prepare(config, source)
    if added:
        prepared = replace(prepared, example_set=examples.widened(prepared.example_set, added))
    example_set = prepared.example_set
    export.require_exportable(config, example_set.vocabulary, example_set.timelines.features)
    reporter.log(
        f"{example_set.timelines.users:,} users, {example_set.vocabulary.size:,} items, "
        f"{len(example_set.train):,} training examples; {example_set.dropped_users:,} users left out as too short"
    )
    for line in examples.out_of_range(example_set.timelines.features):
        reporter.log(f"warning: {line}")
    return prepared


def _resolved(config: JobConfig, prepared: Prepared) -> JobConfig:
    """With the features that were read, which is what the bundle states; `automatic` leaves them open."""
    return config.model_copy(update={"features": prepared.example_set.features})


def _fitted(
    config: JobConfig,
    prepared: Prepared,
    reporter: Reporter,
    *,
    trained: bool,
    earlier: Mapping[str, Any] | None = None,
) -> tuple[JobConfig, dict[str, Any] | None]:
    """The config made to fit `export.max_bytes`, and what manifest and report are to say of it.

    Args:
        trained: whether there are weights, whose dimensions are what they are.
        earlier: what was said when they were trained.
    """
    config, budget = require_fit(config, prepared.workload, trained=trained)
    if budget is None:
        return config, None
    reporter.log(f"size budget: {budget.in_words()}")
    if not trained:
        return config, budget.as_dict()
    reporter.log("the dimensions are those of the weights; for others, train anew with the budget")
    asked = {name: value for name, value in (earlier or {}).items() if name in ("embedding_dim_asked", "blocks_asked")}
    return config, {**budget.as_dict(), **asked, "dimensions_fixed": True}


def _carry_over(
    config: JobConfig, dual_encoder: model.DualEncoder, prepared: Prepared, base: training.Base, reporter: Reporter
) -> dict[str, Any]:
    """Give the model the base's weights; what manifest and report are to say of it."""
    require_architecture(base.weights.info.config, config)  # now with the features that were read
    carried = training.carry_over(dual_encoder, prepared.example_set.vocabulary, base, config.evaluation)
    reporter.log(
        f"begins with the weights of {base.version or base.sha256[:12]}: {carried.carried:,} items carried over, "
        f"{carried.new:,} new, {carried.dropped:,} dropped"
    )
    return carried.as_dict()


def _require_same_data(given: training.ModelWeights, source: Interactions | Prepared) -> None:
    found = source.data_hash if isinstance(source, Prepared) else datasets.content_hash(source)
    wanted = given.info.data_hash
    if found != wanted:
        detail = (
            f"the weights were trained on the dataset with content hash {wanted[:12]}..., and this one has "
            f"{found[:12]}...; give the log that they were trained on"
        )
        raise CheckpointMismatch(detail, [FieldError("/data_hash", "checkpoint_mismatch", detail)])


def _identity(config: JobConfig, data_hash: str, base: training.Base | None) -> str:
    document: dict[str, Any] = {
        "steps": _STEPS,
        "config": config.model_dump(mode="json", include=_TRAINING_FIELDS, exclude={"model": {"neighbours"}}),
        "data_hash": data_hash,
        "packages": environment.packages(),
        **({} if base is None else {"base": base.sha256}),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
