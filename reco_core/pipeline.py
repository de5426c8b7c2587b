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
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reco_core import assessment, bundle, environment, evaluation, examples, export, model, training
from reco_core.config import JobConfig
from reco_core.config.estimate import Limits, machine_memory, require_budget, require_resources
from reco_core.datasets.types import Interactions
from reco_core.examples import ExampleSet, Prepared
from reco_core.measurements import Measurements
from reco_core.progress import Reporter, SilentReporter

# What a checkpoint must agree with; the rest of the config plays a part only after training.
_TRAINING_FIELDS = {"seed", "repeats", "examples", "encoder", "model", "training", "evaluation"}


def run(
    config: JobConfig,
    source: Interactions | Prepared,
    out: Path,
    *,
    work: Path,
    resume_from: Path | None = None,
    reporter: Reporter | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> bundle.Manifest:
    """Train, export, evaluate and verify a recommender; write its bundle to the folder `out` in one atomic step.

    Args:
        source: the log, or its examples as `examples.prepare` makes them under the same config; the bundle is the same.
        work: folder for checkpoints (`work`/checkpoints), for `measurements.json`, which depends on the machine and the
            hour and is therefore no part of the bundle, and for `ranks.npz`, which no phone needs.
        resume_from: a checkpoint of an earlier attempt at the same job; the bundle will be the same as without it.
        should_stop: asked several times a second while training.

    Raises:
        DatasetTooSmall, ConfigInvalid, SizeBudgetImpossible, ResourceEstimateExceeded: before any training.
        Diverged, Interrupted, CheckpointMismatch: from training.
        ParityFailed: the exported file doesn't rank as the model does.
        OutputExists: `out` is there and not empty.
    """
    reporter = reporter or SilentReporter()
    bundle.require_free(out)
    measured = Measurements()
    runtime = training.configure()

    with measured.phase("build_examples", reporter):
        prepared = source if isinstance(source, Prepared) else examples.prepare(config, source)
        data_hash, example_set = prepared.data_hash, prepared.example_set
        require_budget(config, example_set.vocabulary.size)
        # time is no limit here: who starts it says how long it may take
        limits = Limits(memory_bytes=machine_memory())
        require_resources(config, prepared.workload, limits)
        dual_encoder = model.build(config, example_set.vocabulary)
        _announce(example_set, reporter)

    with measured.phase("train", reporter):
        trained = training.train(
            config,
            dual_encoder,
            example_set,
            checkpoints=work / "checkpoints",
            identity=_identity(config, data_hash),
            resume_from=resume_from,
            reporter=reporter,
            should_stop=should_stop,
        )
        measured.training(trained)

    with tempfile.TemporaryDirectory(prefix="variants-", dir=work) as folder:
        with measured.phase("export", reporter):
            files = export.export(
                config,
                trained.model,
                example_set.vocabulary,
                Path(folder),
                reporter,
                keep_saved_model=work / export.SAVED_MODEL if config.export.saved_model else None,
            )

        with measured.phase("evaluate", reporter):
            rankings = assessment.rank(config, trained, files, example_set, reporter)

        with measured.phase("verify", reporter):
            assessed = assessment.verify(config, trained, files, example_set, rankings)
            measured.files(files)

        manifest = bundle.write(
            out,
            vocabulary=example_set.vocabulary,
            variants={name: files.variants[name].path for name in assessed.shipped},
            default_variant=assessed.default_variant,
            report=assessed.report,
            golden=assessed.golden,
            details={
                "signatures": files.shape.signatures(),
                "operators": {name: export.operators(files.variants[name].path) for name in assessed.shipped},
                "vocabulary_size": example_set.vocabulary.size,
                "config": config.model_dump(mode="json"),
                "seed": config.seed,
                "data_hash": data_hash,
                "environment": environment.describe(runtime.threads, runtime.xla),
                "metrics": {
                    "protocol": example_set.protocol,
                    **{name: assessed.report[name] for name in ("test", "baselines", "comparison")},
                },
            },
        )
    shipped = rankings.test[assessed.default_variant]
    evaluation.write_ranks(work / "ranks.npz", shipped, example_set, data_hash, repeats=config.repeats)
    measured.write(work / "measurements.json")
    return manifest


def _identity(config: JobConfig, data_hash: str) -> str:
    document: dict[str, Any] = {
        "config": config.model_dump(mode="json", include=_TRAINING_FIELDS),
        "data_hash": data_hash,
        "packages": environment.packages(),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _announce(example_set: ExampleSet, reporter: Reporter) -> None:
    reporter.log(
        f"{example_set.timelines.users:,} users, {example_set.vocabulary.size:,} items, "
        f"{len(example_set.train):,} training examples; {example_set.dropped_users:,} users left out as too short"
    )
