"""What a job will come to, from its config and its dataset's report; and the refusal of one that asks for too much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from app.dependencies import Services
from app.problems import Fault, Problem, from_pocketrec
from app.security import Principal
from reco_core.config import JobConfig
from reco_core.config.estimate import (
    Estimate,
    Limits,
    Remark,
    Seconds,
    estimate,
    machine_factor,
    machine_memory,
    require_fit,
    require_resources,
    warnings,
    workload,
)
from reco_core.errors import (
    ConfigInvalid,
    DatasetTooSmall,
    FieldError,
    PocketRecError,
    ResourceEstimateExceeded,
    SizeBudgetImpossible,
)
from registry import job_history
from registry.settings import Settings

# The first one is also what it takes to start and to read the dataset.
_PHASES = {
    "examples": ("validate", "build_examples", "publish"),
    "export": ("validate", "build_examples", "export", "evaluate", "verify", "publish"),
    "evaluate": ("validate", "build_examples", "evaluate", "publish"),
}
_OF_TRAINING = ("memory_bytes", "batch_size", "steps_per_epoch", "epochs")


@dataclass(frozen=True)
class Expectation:
    """The estimate of a job that may be queued, what it is held against, and what is worth saying about it."""

    estimate: Estimate
    limits: Limits
    warnings: tuple[Remark, ...]
    type: str = "train"

    def as_dict(self) -> dict[str, Any]:
        """The estimate as JSON; null, or empty, is what the type of job has nothing to do with."""
        found = self.estimate.as_dict()
        if self.type == "train":
            return found
        phases = {name: self.estimate.phases[name] for name in _PHASES[self.type]}
        total = Seconds(sum(span.expected for span in phases.values()), sum(span.at_most for span in phases.values()))
        seconds = {
            **found["seconds"],
            "total": total.as_dict(),
            "per_epoch": None,
            "phases": {name: span.as_dict() for name, span in phases.items()},
        }
        shown = {**found, **dict.fromkeys(_OF_TRAINING), "seconds": seconds}
        if self.type != "export":
            shown["bytes"] = {}
        if self.type == "examples":
            shown["parameters"] = None
        return shown


def limits_of(settings: Settings) -> Limits:
    """What the settings grant a job."""
    memory = settings.max_job_memory_bytes or settings.memory_bytes
    # not the limit of the API's own container: the trainer runs in another one
    if memory is None and (whole := machine_memory(group=False)) is not None:
        memory = whole // settings.slots
    return Limits(memory, settings.deadline_seconds, settings.max_vocabulary)


def expect(
    services: Services,
    principal: Principal,
    config: JobConfig,
    report: Mapping[str, Any],
    type_: str = "train",
    *,
    trained: bool = False,
) -> Expectation | None:
    """What a job with this config will come to; None where the dataset's report says too little.

    Only of training it is known how much memory it takes, so that only training is refused for it.

    Args:
        trained: whether it begins with weights, whose dimensions a size budget can't change.

    Raises:
        Problem: `resource_estimate_exceeded`, `size_budget_impossible`, `dataset_too_small` or `validation_failed`,
            pointing into the request.
    """
    limits = limits_of(services.settings)
    try:
        work = workload(config, report)
        if work is None:
            return None
        factor = _machine_factor(services, principal)
        if type_ in ("train", "export") and work.exact:  # what is guessed refuses nothing; the pipeline will count
            require_fit(config, work, trained=trained)
        if type_ != "train":
            return Expectation(estimate(config, work, factor, trained=True), limits, (), type_)
        found = require_resources(config, work, limits, factor)
    except ResourceEstimateExceeded as error:
        extra = {"estimate": error.estimate, "limits": asdict(limits)}
        message = error.message + _set_by(services.settings, limits, error.estimate)
        raise Problem(error.code, message, errors=_faults(error), extra=extra) from None
    except (ConfigInvalid, DatasetTooSmall, SizeBudgetImpossible) as error:
        raise Problem(from_pocketrec(error).code, error.message, errors=_faults(error)) from None
    return Expectation(found, limits, tuple(warnings(config, found, limits)))


def _set_by(settings: Settings, limits: Limits, found: Mapping[str, Any]) -> str:
    """The settings whose limits an estimate breaks, as a sentence for whoever runs the service; nothing where none."""
    names = []
    if limits.vocabulary is not None and found["vocabulary"] > limits.vocabulary:
        names.append("POCKETREC_MAX_VOCABULARY")
    if limits.memory_bytes is not None and found["memory_bytes"] > limits.memory_bytes:
        if settings.max_job_memory_bytes is None and settings.memory_bytes is not None:
            names.append("POCKETREC_MEMORY_BYTES")
        else:  # also where neither is set, and the machine's memory is the limit
            names.append("POCKETREC_MAX_JOB_MEMORY_BYTES")
    # what is told of it is rounded, and may be the limit itself
    if limits.seconds is not None and found["seconds"]["total"]["expected"] >= limits.seconds:
        names.append("POCKETREC_DEADLINE_SECONDS")
    return f". Whoever runs the service sets the limit: {', '.join(names)}" if names else ""


def point(found: FieldError | Remark) -> str:
    """The pointer into the request: the config is a part of it, and what no field mends is about the dataset."""
    return f"/config{found.pointer}" if found.pointer else "/dataset_id"


def _faults(error: PocketRecError) -> list[Fault]:
    return [Fault(point(fault), fault.code, fault.detail) for fault in error.errors] or [
        Fault("/dataset_id", error.code, error.message)
    ]


def _machine_factor(services: Services, principal: Principal) -> float:
    with services.database.read() as session:
        finished = job_history.finished(session, principal.project)
    return machine_factor((job.estimate, job.epochs, job.seconds) for job in finished)
