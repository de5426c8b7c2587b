"""Versions side by side: what differs between them, and whether the difference can be told from chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.models import facts
from app.models.pairs import Pair
from app.models.schemas import VersionBaseView, YankedView, show_base, show_yanked, version_url
from app.problems import pointer
from reco_core.config.example_key import SPLIT_FIELDS
from registry.records import ModelVersion

HEADLINE = "ndcg@10"
_TITLES = {"recall@10": "HR@10", "ndcg@10": "NDCG@10", "mrr@10": "MRR@10", "mean_rank": "mean rank"}
# Besides the data itself, what decides which examples are tested and against which candidates.
_SPLIT = (
    "/evaluation/protocol",
    "/examples/min_timeline_length",
    "/examples/min_rating",
    "/repeats",
    "/evaluation/cold_items",
)


class MetricView(BaseModel):
    """A figure on test and its 95% bootstrap interval over users."""

    value: float
    ci95: tuple[float, float] | None


class ComparedVariantView(BaseModel):
    """One conversion of a model."""

    name: str
    default: bool = Field(description="Whether model.tflite is this one.")
    bytes: int
    latency_ms: float | None = Field(description="Median of `recommend` on one thread of the worker that made it.")
    operators: dict[str, int] | None


class ComparedVersionView(BaseModel):
    """A version's own figures."""

    version: int
    url: str
    job_id: str
    job_type: str | None
    base: VersionBaseView | None = Field(description="The version that its job began with; null where with none.")
    dataset_id: str | None
    dataset_content_hash: str | None
    protocol: str | None = Field(description="How test data were held out.")
    metrics: dict[str, MetricView] = Field(description="Of model.tflite on test.")
    variants: list[ComparedVariantView]
    created_at: datetime
    yanked: YankedView | None


class ConfigDifferenceView(BaseModel):
    """A field of the config in which the versions differ."""

    pointer: str = Field(description="RFC 6901 pointer into the config.")
    values: dict[str, Any] = Field(description="By version number; a version whose config lacks the field is left out.")


class DifferenceView(BaseModel):
    """The version's figure minus the base's, on the same examples."""

    difference: float
    ci95: tuple[float, float]
    verdict: Literal["better", "worse", "not distinguishable"]


class PairedView(BaseModel):
    """The paired bootstrap over users."""

    examples: int
    users: int
    samples: int
    seed: int
    metrics: dict[str, DifferenceView]


class ReasonView(BaseModel):
    """Why two versions can't be compared example by example."""

    code: Literal["no_ranks", "different_test_set", "not_computed"]
    detail: str


class ComparisonView(BaseModel):
    """One version against the base."""

    version: int
    base: int
    paired: PairedView | None = Field(description="Null where nothing can be paired; `reason` says why.")
    reason: ReasonView | None
    verdict: str = Field(description="The same in a sentence.")


class CompareView(BaseModel):
    """Versions of a model side by side; the first one asked for is the base."""

    model: str
    base: int
    versions: list[ComparedVersionView]
    config_differences: list[ConfigDifferenceView]
    comparisons: list[ComparisonView]


def show_compared(version: ModelVersion, latencies: Mapping[str, float]) -> ComparedVersionView:
    """A version's own figures as JSON; `latencies` in milliseconds by variant."""
    default = facts.default_variant(version)
    return ComparedVersionView(
        version=version.version,
        url=version_url(version),
        job_id=version.job_id,
        job_type=version.job_type,
        base=show_base(version),
        dataset_id=version.dataset_id,
        dataset_content_hash=facts.content_hash(version),
        protocol=facts.protocol(version),
        metrics={name: MetricView.model_validate(entry) for name, entry in facts.test_metrics(version).items()},
        variants=[
            ComparedVariantView(
                name=name,
                default=name == default,
                bytes=entry.bytes,
                latency_ms=latencies.get(name),
                operators=facts.operators(version, name),
            )
            for name, entry in facts.variant_files(version).items()
        ],
        created_at=version.created_at,
        yanked=show_yanked(version),
    )


def config_differences(versions: Sequence[ModelVersion]) -> list[ConfigDifferenceView]:
    """The fields of the configs that not all versions have alike, sorted."""
    flat = {str(version.version): dict(_leaves(facts.config(version))) for version in versions}
    found = []
    for place in sorted({place for fields in flat.values() for place in fields}):
        values = {number: fields[place] for number, fields in flat.items() if place in fields}
        first = next(iter(values.values()))
        # by type too: 1, 1.0 and true are equal in Python
        alike = all(value == first and type(value) is type(first) for value in values.values())
        if len(values) < len(versions) or not alike:
            found.append(ConfigDifferenceView(pointer=place, values=values))
    return found


def show_pair(version: ModelVersion, base: ModelVersion, pair: Pair) -> ComparisonView:
    """A version against the base, example by example."""
    paired = PairedView.model_validate(vars(pair))
    return ComparisonView(
        version=version.version, base=base.version, paired=paired, reason=None, verdict=_sentence(version, base, paired)
    )


def show_unpaired(version: ModelVersion, base: ModelVersion, reason: ReasonView) -> ComparisonView:
    """A version that can't be compared with the base example by example."""
    verdict = f"{version.version} can't be compared with {base.version} example by example: {reason.detail}"
    return ComparisonView(version=version.version, base=base.version, paired=None, reason=reason, verdict=verdict)


def different_data(version: ModelVersion, base: ModelVersion) -> ReasonView | None:
    """Why the two can't have the same test examples, where their datasets already say so."""
    ours, theirs = facts.content_hash(version), facts.content_hash(base)
    if ours is None or theirs is None or ours == theirs:
        return None
    detail = (
        f"they were tested on different data (content hash {ours[:12]} and {theirs[:12]}); "
        "train both on the same dataset to compare them"
    )
    return ReasonView(code="different_test_set", detail=detail)


def different_split(version: ModelVersion, base: ModelVersion) -> ReasonView:
    """Why two versions made from the same data have different test examples."""
    protocols = {facts.protocol(version), facts.protocol(base)}
    places = {*_SPLIT, *(place for name, more in SPLIT_FIELDS.items() if name in protocols for place in more)}
    differing = [
        f"{found.pointer} {found.values.get(str(version.version))!r} and {found.values.get(str(base.version))!r}"
        for found in config_differences([version, base])
        if found.pointer in places
    ]
    detail = (
        f"their test examples differ: {', '.join(differing)}; train both with the same settings to compare them"
        if differing
        else "their test examples differ, although data and settings are the same: another release made them; "
        "train both again to compare them"
    )
    return ReasonView(code="different_test_set", detail=detail)


def _leaves(value: Any, place: tuple[object, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Each value in a config that is no object, by its pointer; lists are values."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*place, key))
    else:
        yield pointer(place), value


def _sentence(version: ModelVersion, base: ModelVersion, paired: PairedView) -> str:
    """Such as `5 is better than 3 on NDCG@10: +.0120 [.0041, .0202]; worse on HR@10: ...`."""
    headline = HEADLINE if HEADLINE in paired.metrics else next(iter(paired.metrics))
    first = paired.metrics[headline]
    than = {"better": "than", "worse": "than", "not distinguishable": "from"}[first.verdict]
    parts = [f"{version.version} is {first.verdict} {than} {base.version} on {_figures(headline, first)}"]
    parts += [
        f"{found.verdict} on {_figures(name, found)}"
        for name, found in paired.metrics.items()
        if name != headline and found.verdict not in (first.verdict, "not distinguishable")
    ]
    return "; ".join(parts)


def _figures(name: str, found: DifferenceView) -> str:
    low, high = found.ci95
    title = _TITLES.get(name, name)
    if name == "mean_rank":
        return f"{title}: {found.difference:+.1f} [{low:.1f}, {high:.1f}]"
    return f"{title}: {_short(found.difference, '+')} [{_short(low)}, {_short(high)}]"


def _short(share: float, sign: str = "") -> str:
    """Four digits without the zero before the point: .0123"""
    return f"{share:{sign}.4f}".replace("0.", ".", 1) if abs(share) < 1 else f"{share:{sign}.4f}"
