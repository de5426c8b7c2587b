"""Refusing a job whose estimate exceeds what it may have, and finding the change that would make it fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from reco_core.config.estimate.estimate import Estimate, estimate
from reco_core.config.estimate.files import MOST_BYTES
from reco_core.config.estimate.workload import Workload
from reco_core.config.models import JobConfig
from reco_core.errors import FieldError, ResourceEstimateExceeded

MOST_ITEMS = 10_000_000  # by default; a phone ranks each of them at every call
_CODE = ResourceEstimateExceeded.code


@dataclass(frozen=True)
class Limits:
    """What a job may have; None: no limit."""

    memory_bytes: int | None = None
    seconds: float | None = None  # an attempt's deadline
    vocabulary: int | None = MOST_ITEMS


def require_resources(config: JobConfig, work: Workload, limits: Limits, machine_factor: float = 1.0) -> Estimate:
    """The estimate of a job that keeps the limits.

    Raises:
        ResourceEstimateExceeded: it doesn't; the error carries the estimate, and points at each field of the config
            that would mend it alone, with the value it must not exceed.
    """
    found = estimate(config, work, machine_factor)
    causes = "; ".join(_excesses(found, limits))
    if not causes:
        return found

    def fits(changed: JobConfig) -> bool:
        return not list(_excesses(estimate(changed, work, machine_factor), limits))

    remedies = list(_remedies(config, found, fits))
    if remedies:
        advice = "set " + " or ".join(f"{field} to {value}" for field, value in remedies)
        pointers = [("/" + field.replace(".", "/"), f"set it to {value}") for field, value in remedies]
    else:
        advice = "no single field of the config mends it; lower several, or use a log with fewer items and rows"
        pointers = [("", advice)]
    errors = [FieldError(pointer, _CODE, f"{causes}; {remedy}") for pointer, remedy in pointers]
    raise ResourceEstimateExceeded(f"{causes}; {advice}", errors, found.as_dict())


def _excesses(found: Estimate, limits: Limits) -> Iterator[str]:
    """Each limit that the estimate breaks, in words."""
    items, memory, expected = found.work.vocabulary, found.memory_bytes, found.total.expected
    if limits.vocabulary is not None and items > limits.vocabulary:
        yield f"the vocabulary has {items:,} items, but may have {limits.vocabulary:,}"
    if limits.memory_bytes is not None and memory > limits.memory_bytes:
        limit = _gigabytes(limits.memory_bytes)
        yield f"the job would need about {_gigabytes(memory)} of memory, but may have {limit}"
    largest = max(found.variants.values())
    if largest > MOST_BYTES:
        limit = _gigabytes(MOST_BYTES)
        yield f"the float32 file, which is always made, would take {_gigabytes(largest)}, but can take {limit} at most"
    if limits.seconds is not None and expected > limits.seconds:
        yield f"the job would take about {_time(expected)}, but an attempt may take {_time(limits.seconds)}"


def _remedies(config: JobConfig, found: Estimate, fits: Callable[[JobConfig], bool]) -> Iterator[tuple[str, str]]:
    """(field, what to set it to) for each field that would be enough by itself."""
    numbers = (
        ("training", "batch_size", 1, found.batch_size),
        ("model", "embedding_dim", 2, config.model.embedding_dim),
        ("examples", "max_history_length", _shortest(config), config.examples.max_history_length),
        ("training", "max_epochs", 1, config.training.max_epochs),
    )
    for section, field, low, high in numbers:
        value = _largest(low, high, lambda number, s=section, f=field: fits(_changed(config, s, f, number)))  # type: ignore[misc]
        if value is not None:
            yield f"{section}.{field}", f"{value} or less"
    cheap = tuple(name for name in config.evaluation.baselines if name not in ("ease", "cooccurrence"))
    if cheap != config.evaluation.baselines and fits(_changed(config, "evaluation", "baselines", cheap)):
        yield "evaluation.baselines", str(list(cheap)).replace("'", '"')


def _largest(low: int, high: int, fits: Callable[[int], bool]) -> int | None:
    """The largest number from `low` to below `high` that fits, where smaller ones fit too; None where none does."""
    if low >= high or not fits(low):
        return None
    # fits(low) holds and fits(high) doesn't
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _shortest(config: JobConfig) -> int:
    return getattr(config.encoder, "kernel_size", 1)


def _changed(config: JobConfig, section: str, field: str, value: Any) -> JobConfig:
    return config.model_copy(update={section: getattr(config, section).model_copy(update={field: value})})


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"


def _time(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} h" if seconds >= 600 else f"{seconds:,.0f} s"
