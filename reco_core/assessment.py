"""Stage 6 applied: every exported file and every baseline ranked, the files judged, the report put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reco_core.config import JobConfig, VariantName
from reco_core.environment import available_cores, ranking_threads
from reco_core.errors import FieldError, ParityFailed, SizeBudgetImpossible
from reco_core.evaluation import BASELINES, Evaluation, Scorer, cold_report, evaluate, original_metrics, report, rounded
from reco_core.examples import ExampleSet, Split
from reco_core.export import (
    GOLDEN_TOLERANCE,
    ExportedFiles,
    ExportedVariant,
    Parity,
    check_parity,
    check_recommend,
    golden_cases,
    reproduces,
)
from reco_core.inference import FileScorer
from reco_core.progress import Reporter
from reco_core.tensor_forms import IndexForm
from reco_core.training import TrainedModel, model_scorer

MOST_PARITY_EXAMPLES = 10_000
RECOMMEND_CHECKS = 1_000
# Where the default variant may not be shipped, the next of these is taken.
_FALLBACK: tuple[VariantName, ...] = ("float16", "float32")


@dataclass(frozen=True)
class Rankings:
    """Evaluations of the trained model, of the exported files and of the baselines."""

    keras: Evaluation  # validation, as are `validation`
    validation: Mapping[VariantName, Evaluation]
    test: Mapping[VariantName, Evaluation]
    baselines: Mapping[str, Evaluation]  # test


@dataclass(frozen=True)
class Assessment:
    """What may be shipped, and what is to be said of it."""

    default_variant: VariantName
    shipped: tuple[VariantName, ...]
    report: dict[str, Any]
    golden: dict[str, Any]


def rank(
    config: JobConfig, trained: TrainedModel, files: ExportedFiles, example_set: ExampleSet, reporter: Reporter
) -> Rankings:
    """Rank the held-out labels with each file and each baseline."""
    names, baseline_names = list(files.variants), config.evaluation.baselines_for(example_set.vocabulary.size)
    total = 1 + 2 * len(names) + len(baseline_names)
    done = 0

    def measure(scorer: Scorer, split: Split, at_most: int | None = None, samples: int = 0) -> Evaluation:
        nonlocal done
        found = evaluate(
            scorer,
            example_set,
            split,
            ks=config.evaluation.k,
            repeats=config.repeats,
            seed=config.seed,
            bootstrap_samples=samples,
            at_most=at_most,
            threads=ranking_threads(),
        )
        done += 1
        reporter.progress(done, total, "rankings")
        return found

    keras = measure(model_scorer(trained.model, trained.head), "validation", MOST_PARITY_EXAMPLES)
    validation, test = {}, {}
    for name in names:
        with FileScorer(files.variants[name].path, available_cores(), files.form) as scorer:
            validation[name] = measure(scorer, "validation", MOST_PARITY_EXAMPLES)
            test[name] = measure(scorer, "test", samples=config.evaluation.bootstrap_samples)
    baselines: dict[str, Evaluation] = {
        name: measure(
            BASELINES[name](example_set, repeats=config.repeats), "test", samples=config.evaluation.bootstrap_samples
        )
        for name in baseline_names
    }
    return Rankings(keras, validation, test, baselines)


def verify(
    config: JobConfig, trained: TrainedModel, files: ExportedFiles, example_set: ExampleSet, rankings: Rankings
) -> Assessment:
    """Judge the files, choose the default one, write the report.

    Raises:
        ParityFailed: float32 ranks differently from the trained model, or a file contradicts itself.
        SizeBudgetImpossible: no variant that may be shipped fits `export.max_bytes`.
    """
    scorer = model_scorer(trained.model, trained.head)
    parity = {
        name: check_parity(name, rankings.validation[name], rankings.keras, scorer, example_set)
        for name in files.variants
    }
    golden = {}
    for name, variant in files.variants.items():
        golden[name] = golden_cases(variant.path, example_set, config.export.exclude_ids, config.seed, files.form)
        refused = parity[name].refused or _contradiction(config, files, name, example_set, golden[name])
        parity[name] = Parity(parity[name].overlap, parity[name].ndcg_loss, refused)
    if parity["float32"].refused:
        raise ParityFailed(
            f"the exported float32 file doesn't rank as the trained model does: {parity['float32'].refused}; "
            "nothing was published"
        )
    accepted = [name for name in files.variants if parity[name].refused is None]
    shipped = tuple(name for name in accepted if name in config.export.variants or name == "float32")
    default = _default_variant(config, files, shipped, rankings)
    document = report(
        example_set,
        rankings.test[default],
        validation=rankings.validation[default],
        baselines=rankings.baselines,
        repeats=config.repeats,
        seed=config.seed,
        bootstrap_samples=config.evaluation.bootstrap_samples,
        variants={name: _variant(files, name, rankings, parity[name]) for name in files.variants},
        training=_training(config, trained),
        left_out=config.evaluation.baselines_left_out(example_set.vocabulary.size),
    )
    if trained.neighbours is not None:
        document["neighbours"] = rounded(trained.neighbours.as_dict())
    if len(example_set.cold_items):
        document["cold_items"] = rounded(_cold_items(config, files.variants[default], files.form, example_set))
    if example_set.protocol == "reference":
        document["original_metrics"] = _original_metrics(config, files.variants[default], files.form, example_set)
    return Assessment(
        default,
        shipped,
        {"default_variant": default, **document},
        {"tolerance": GOLDEN_TOLERANCE, "variants": {name: {"cases": golden[name]} for name in shipped}},
    )


def _training(config: JobConfig, trained: TrainedModel) -> dict[str, int]:
    facts = {"epochs": trained.epochs, "best_epoch": trained.best_epoch, "examples": trained.examples}
    if config.training.teachers:
        facts["teachers"] = config.training.teachers
    return facts if trained.epoch in (None, trained.best_epoch) else {**facts, "exported_epoch": trained.epoch}


def _cold_items(
    config: JobConfig, variant: ExportedVariant, form: IndexForm, example_set: ExampleSet
) -> dict[str, Any]:
    """How the file ranks what it knows by attributes alone."""
    with FileScorer(variant.path, available_cores(), form) as scorer:
        return cold_report(
            scorer,
            example_set,
            share=config.evaluation.cold_items,
            repeats=config.repeats,
            seed=config.seed,
            bootstrap_samples=config.evaluation.bootstrap_samples,
        )


def _original_metrics(
    config: JobConfig, variant: ExportedVariant, form: IndexForm, example_set: ExampleSet
) -> dict[str, Any]:
    """What people who compare with the original toolkit look for, in batches as large as training's."""
    batch_size = config.training.batch_size_for(len(example_set.train))
    with FileScorer(variant.path, available_cores(), form) as scorer:
        return original_metrics(
            scorer, example_set, "test", batch_size=batch_size, ks={*config.evaluation.k, 10}, seed=config.seed
        )


def _contradiction(
    config: JobConfig, files: ExportedFiles, name: VariantName, example_set: ExampleSet, cases: list[dict[str, Any]]
) -> str | None:
    """Why a file can't be trusted with itself: `recommend` against `score_all`, and against its golden vectors."""
    path = files.variants[name].path
    wrong = check_recommend(
        path, example_set, repeats=config.repeats, users=RECOMMEND_CHECKS, seed=config.seed, form=files.form
    )
    if wrong:
        return f"`recommend` and `score_all` give different lists for {wrong} histories"
    if not reproduces(path, cases, form=files.form):
        return "its golden vectors don't reproduce"
    return None


def _default_variant(
    config: JobConfig, files: ExportedFiles, shipped: tuple[VariantName, ...], rankings: Rankings
) -> VariantName:
    budget = config.export.max_bytes
    if budget is not None:
        fitting = [name for name in shipped if files.variants[name].bytes <= budget]
        if not fitting:
            smallest = min(files.variants[name].bytes for name in shipped)
            refused = [name for name, file in files.variants.items() if name not in shipped and file.bytes <= budget]
            more = "" if "dynamic_int8" in files.variants else ", or add dynamic_int8 to export.variants"
            detail = (
                f"the smallest variant that may ship takes {smallest:,} bytes, but export.max_bytes is {budget:,}; "
                + "".join(f"{name} would fit, but ranks too unlike the trained model; " for name in refused)
                + f"raise it or lower model.embedding_dim{more}"
            )
            raise SizeBudgetImpossible(detail, [FieldError("/export/max_bytes", "size_budget_impossible", detail)])
        return max(fitting, key=lambda name: (rankings.validation[name]["ndcg@10"], -files.variants[name].bytes))
    wanted = config.export.default_variant
    return next(name for name in (wanted, *_FALLBACK) if name in shipped)


def _variant(files: ExportedFiles, name: VariantName, rankings: Rankings, parity: Parity) -> dict[str, Any]:
    return {
        "bytes": files.variants[name].bytes,
        "recall@10": rankings.test[name]["recall@10"],
        "ndcg@10": rankings.test[name]["ndcg@10"],
        "overlap@10": parity.overlap,
        "refused": parity.refused,
    }
