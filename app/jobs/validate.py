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
    machine_factor,
    machine_memory,
    require_resources,
    warnings,
    workload,
)
from reco_core.errors import ConfigInvalid, DatasetTooSmall, FieldError, PocketRecError, ResourceEstimateExceeded
from registry import job_history
from registry.settings import Settings


@dataclass(frozen=True)
class Expectation:
    """The estimate of a job that may be queued, what it is held against, and what is worth saying about it."""

    estimate: Estimate
    limits: Limits
    warnings: tuple[Remark, ...]


def limits_of(settings: Settings) -> Limits:
    """What the settings grant a job."""
    memory = settings.max_job_memory_bytes or settings.memory_bytes
    # not the limit of the API's own container: the trainer runs in another one
    if memory is None and (whole := machine_memory(group=False)) is not None:
        memory = whole // settings.slots
    return Limits(memory, settings.deadline_seconds, settings.max_vocabulary)


def expect(
    services: Services, principal: Principal, config: JobConfig, report: Mapping[str, Any]
) -> Expectation | None:
    """What a job with this config will come to; None where the dataset's report says too little.

    Raises:
        Problem: `resource_estimate_exceeded`, `dataset_too_small` or `validation_failed`, pointing into the request.
    """
    limits = limits_of(services.settings)
    try:
        work = workload(config, report)
        if work is None:
            return None
        found = require_resources(config, work, limits, _machine_factor(services, principal))
    except ResourceEstimateExceeded as error:
        extra = {"estimate": error.estimate, "limits": asdict(limits)}
        raise Problem(error.code, error.message, errors=_faults(error), extra=extra) from None
    except (ConfigInvalid, DatasetTooSmall) as error:
        raise Problem(from_pocketrec(error).code, error.message, errors=_faults(error)) from None
    return Expectation(found, limits, tuple(warnings(config, found, limits)))


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
