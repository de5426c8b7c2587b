"""The JSON of `report.json`: what was measured, how, and what a reader should be warned of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reco_core.evaluation.compare import Comparison, compare
from reco_core.evaluation.evaluate import Evaluation, Metric
from reco_core.examples import ExampleSet, out_of_range

_DIGITS = 6  # far below any interval, and above what the order of additions in a matrix product can move
_COMPARED = ("recall@10", "ndcg@10")


def report(
    example_set: ExampleSet,
    test: Evaluation,
    *,
    validation: Evaluation | None = None,
    baselines: Mapping[str, Evaluation] | None = None,
    repeats: bool = False,
    seed: int = 0,
    bootstrap_samples: int = 1000,
    variants: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    left_out: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The report of a model whose shipped file was ranked as `test`, beside baselines ranked on the same split.

    Every metric, the model's or a baseline's, is `{value, ci95: [low, high]}`; `ci95` is null for figures that have
    no interval over users (coverage, Gini, identical lists). Numbers are rounded to six digits, so that the same
    ranks give the same bytes.

    Args:
        variants: put in as it is, see the file contract.
        training: likewise.
        left_out: why a baseline that is usually there isn't, by its name.
    """
    others = baselines or {}
    compared = {
        name: compare(test, other, _COMPARED, samples=bootstrap_samples, seed=seed) for name, other in others.items()
    }
    document: dict[str, Any] = {
        "protocol": example_set.protocol,
        "candidates": _candidates(example_set, repeats),
        "data": _data(example_set),
        "bootstrap": {"samples": bootstrap_samples, "seed": seed, "unit": "user", "interval": "95% percentile"},
        "test": _metrics(test.metrics),
        "test_details": _details(test),
        "baselines": {name: _metrics(other.metrics) for name, other in others.items()},
        "baselines_left_out": dict(left_out or {}),
        "comparison": {
            name: {key: _comparison(value) for key, value in found.items()} for name, found in compared.items()
        },
        "warnings": [
            *_losses(test, others, compared),
            *_remarks(example_set, test),
            *out_of_range(example_set.timelines.features),
        ],
        "variants": dict(variants or {}),
        "training": dict(training or {}),
    }
    times = example_set.timelines.timestamps
    if example_set.protocol == "temporal" and times is not None:
        document["cut"] = {part: int(times[example_set.split(part).labels].min()) for part in ("validation", "test")}
    if validation is not None:
        document["validation"] = _metrics(validation.metrics)
    result: dict[str, Any] = rounded(document)
    return result


def _candidates(example_set: ExampleSet, repeats: bool) -> dict[str, Any]:
    return {
        "ranking": "full",
        "items": example_set.vocabulary.size,
        "seen_items": "candidates" if repeats else "excluded; a label seen earlier is a miss",
        "labels_without_training_data": "misses",
        "ties": "lower index first",
    }


def _data(example_set: ExampleSet) -> dict[str, int]:
    return {
        "users": example_set.timelines.users,
        "dropped_users": example_set.dropped_users,
        "items": example_set.vocabulary.size,
        "interactions": len(example_set.timelines.items),
        "training_interactions": int(example_set.in_training.sum()),
        "training_examples": len(example_set.train),
        "validation_examples": len(example_set.validation),
        "test_examples": len(example_set.test),
    }


def _details(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "users": evaluation.users,
        "examples": evaluation.examples,
        "tied_labels_share": evaluation.tied_share,
        "seen_labels": evaluation.seen_labels,
        "cold_labels": evaluation.cold_labels,
        "strata": {
            partition: {name: {"examples": part.examples, **_metrics(part.metrics)} for name, part in parts.items()}
            for partition, parts in evaluation.strata.items()
        },
    }


def _metrics(metrics: Mapping[str, Metric]) -> dict[str, Any]:
    return {
        name: {"value": metric.value, "ci95": None if metric.ci95 is None else list(metric.ci95)}
        for name, metric in metrics.items()
    }


def _comparison(found: Comparison) -> dict[str, Any]:
    return {"difference": found.difference, "ci95": list(found.ci95), "verdict": found.verdict}


def _losses(
    test: Evaluation, others: Mapping[str, Evaluation], compared: Mapping[str, Mapping[str, Comparison]]
) -> list[str]:
    """A line for each baseline and metric that the model does not beat."""
    lines = []
    for name, found in compared.items():
        for metric, comparison in found.items():
            figures = f"{test[metric]:.4f} against {others[name][metric]:.4f}"
            if comparison.verdict == "worse":
                lines.append(f"loses to {name} on {metric}: {figures}")
            elif comparison.verdict == "not distinguishable":
                lines.append(f"not distinguishable from {name} on {metric}: {figures}")
    return lines


def _remarks(example_set: ExampleSet, test: Evaluation) -> list[str]:
    lines = []
    if example_set.protocol == "reference":
        lines.append(
            "protocol reference splits pairs at random, so a user's later pairs are in training and figures read too "
            "high; use leave_one_out unless you compare with the original toolkit"
        )
    if test.tied_share > 0.01:
        lines.append(
            f"{test.tied_share:.1%} of the labels have the same score as another item; their places follow item order"
        )
    if test.cold_labels:
        lines.append(
            f"{test.cold_labels} of {test.examples} test labels are items without training data and count as misses"
        )
    return lines


def rounded(value: Any) -> Any:
    """A JSON document with its numbers as the report has them: six digits."""
    if isinstance(value, float):
        return round(float(value), _DIGITS) + 0.0  # no negative zero
    if isinstance(value, Mapping):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(part) for part in value]
    return value
