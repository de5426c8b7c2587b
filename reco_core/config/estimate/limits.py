"""Refusing a job whose estimate exceeds what it may have, and finding the change that would make it fit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reco_core.config.encoders import Cnn
from reco_core.config.estimate.estimate import Estimate, estimate
from reco_core.config.estimate.files import MOST_BYTES
from reco_core.config.estimate.workload import Workload
from reco_core.config.evaluation import BaselineName
from reco_core.config.job import JobConfig
from reco_core.durations import duration
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

    remedies, word = list(_remedies(config, found, fits)), " or "
    if not remedies:
        remedies, word = _together(config, found, fits), " and "
    if remedies:
        advice = "set " + word.join(f"{field} to {value}" for field, value in remedies)
        pointers = [("/" + field.replace(".", "/"), f"set it to {value}") for field, value in remedies]
    else:
        advice = "no config mends that; use a log with fewer items and rows"
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
        yield f"the job would take about {duration(expected)}, but an attempt may take {duration(limits.seconds)}"


def _remedies(config: JobConfig, found: Estimate, fits: Callable[[JobConfig], bool]) -> Iterator[tuple[str, str]]:
    """(field, what to set it to) for each field that would be enough by itself."""
    for knob in _knobs(config, found):
        value = _largest(knob.least, knob.now, lambda number, knob=knob: fits(knob.turned(config, number)))  # type: ignore[misc]
        if value is not None:
            yield knob.name, f"{value} or less"
    fitted, cheap = _baselines(config, found)
    if cheap != fitted and fits(_changed(config, "evaluation", "baselines", cheap)):
        yield "evaluation.baselines", _json(cheap)


def _together(config: JobConfig, found: Estimate, fits: Callable[[JobConfig], bool]) -> list[tuple[str, str]]:
    """The same where it takes several fields: all of them halved until it fits; nothing where it never does."""
    knobs, (fitted, cheap) = _knobs(config, found), _baselines(config, found)
    changed = _changed(config, "evaluation", "baselines", cheap)
    baselines = [("evaluation.baselines", _json(cheap))] if cheap != fitted else []
    for halvings in range(1, max(knob.now for knob in knobs).bit_length() + 1):
        values = [max(knob.least, knob.now >> halvings) for knob in knobs]
        for knob, value in zip(knobs, values, strict=True):
            changed = knob.turned(changed, value)
        if fits(changed):
            turned = [(knob.name, str(value)) for knob, value in zip(knobs, values, strict=True) if value != knob.now]
            return turned + baselines
    return []


@dataclass(frozen=True)
class _Knob:
    """A number of the config that makes a job smaller."""

    section: str
    field: str
    least: int
    now: int

    @property
    def name(self) -> str:
        return f"{self.section}.{self.field}"

    def turned(self, config: JobConfig, value: int) -> JobConfig:
        return _changed(config, self.section, self.field, value)


def _knobs(config: JobConfig, found: Estimate) -> list[_Knob]:
    shortest = config.encoder.kernel_size if isinstance(config.encoder, Cnn) else 1
    knobs = [
        _Knob("training", "batch_size", 1, found.batch_size),
        _Knob("model", "embedding_dim", 2, config.model.embedding_dim),
        _Knob("examples", "max_history_length", shortest, config.examples.max_history_length),
        _Knob("training", "max_epochs", 1, config.training.max_epochs),
    ]
    counts = {
        "teachers": config.training.teachers_for(found.work.vocabulary),
        "keep_checkpoints": config.training.most_kept,
    }
    knobs += [_Knob("training", field, 0, now) for field, now in counts.items() if now]
    if counts["teachers"] and config.training.teacher_epochs:
        knobs.append(_Knob("training", "teacher_epochs", 1, config.training.teacher_epochs))
    return knobs


def _baselines(config: JobConfig, found: Estimate) -> tuple[tuple[BaselineName, ...], tuple[BaselineName, ...]]:
    """Those that will be fitted, and those of them that cost little."""
    fitted = config.evaluation.baselines_for(found.work.vocabulary)
    return fitted, tuple(name for name in fitted if name not in ("ease", "cooccurrence"))


def _json(names: Sequence[str]) -> str:
    return json.dumps(list(names))


def _largest(low: int, high: int, fits: Callable[[int], bool]) -> int | None:
    """The largest number from `low` to below `high` that fits, where smaller ones fit too; None where none does."""
    if low >= high or not fits(low):
        return None
    # fits(low) holds and fits(high) doesn't
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _changed(config: JobConfig, section: str, field: str, value: Any) -> JobConfig:
    return config.model_copy(update={section: getattr(config, section).model_copy(update={field: value})})


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
