"""From a request to a queued job: every check that can be made before anything is trained."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy.orm import Session

from app.dependencies import Services, plausible_id
from app.jobs import bases, originals
from app.jobs.bases import Base
from app.jobs.rules import require_fields
from app.jobs.schemas import JobRequest
from app.jobs.validate import Expectation, expect
from app.observability import request_id
from app.problems import Fault, Problem, from_pocketrec, recorded
from app.security import Principal
from reco_core import config as job_config
from reco_core.config import JobConfig, TfrecordConfig
from reco_core.config.estimate import require_budget, smallest
from reco_core.config.feature_columns import require_columns
from reco_core.config.original import Conversion
from reco_core.errors import ConfigInvalid, SizeBudgetImpossible
from registry import datasets, jobs
from registry.errors import InvalidName, NotFound
from registry.names import MAX_MODEL_NAME, check_model_name
from registry.records import Dataset, Job

REFUSALS = (
    "malformed_json",
    "dataset_not_ready",
    "dataset_deleted",
    "payload_too_large",
    "unsupported_media_type",
    "validation_failed",
    "unknown_dataset",
    "unknown_model",
    "no_weights",
    "removed_by_policy",
    "dataset_invalid",
    "dataset_too_small",
    "size_budget_impossible",
    "resource_estimate_exceeded",
    "insufficient_storage",
)
"""The problem kinds with which a job, or its dry run, is refused."""


@dataclass(frozen=True)
class Order:
    """A job that can be queued as it stands."""

    type: str
    dataset_id: str
    config: JobConfig
    model: str | None  # None: it publishes no version
    metadata: Mapping[str, str]
    expected: Expectation | None = None  # None where the dataset's report says too little
    base: Base | None = None
    conversion: Conversion | None = None  # of a config of the original toolkit, which `config` was made of


def check(services: Services, principal: Principal, wanted: JobRequest) -> Order:
    """What `wanted` asks for, complete.

    Raises:
        Problem: one of REFUSALS.
    """
    full = bases.in_full(wanted)
    try:
        return _check_converted(services, principal, full)
    except Problem as problem:
        raise (problem if full is wanted else bases.placed(problem)) from None


def _check_converted(services: Services, principal: Principal, wanted: JobRequest) -> Order:
    conversion = originals.read(wanted)
    if conversion is None:
        return _check(services, principal, wanted)
    # a whole config, of no preset
    converted = wanted.model_copy(update={"config": {"preset": None, **conversion.config}, "original": None})
    try:
        layout = originals.tfrecord_layout(wanted)
        return replace(_check(services, principal, converted, layout), conversion=conversion)
    except Problem as problem:
        raise originals.placed(problem, conversion) from None


def _check(
    services: Services, principal: Principal, wanted: JobRequest, layout: originals.Layout = "original"
) -> Order:
    """`layout`: of TFRecords, where they are wanted and nothing says how."""
    require_fields(wanted)
    if wanted.model is not None:
        _check_name(wanted.model)
    base = bases.find_base(services, principal, wanted)
    if base is None:
        config = read_config(wanted)
    elif wanted.preset is not None or "preset" in (wanted.config or {}):
        config = read_config(wanted)
        bases.require_architecture(base, config)
    else:
        config = bases.changed_config(base, wanted.config or {}, wanted.type)
    if base is not None and wanted.type == "train":
        config = config.without_teachers()  # it begins with what another model has learned
    if wanted.type == "examples":
        config = _with_tfrecords(config, wanted, layout)
    if wanted.dataset_id is not None:
        dataset = _usable_dataset(services, principal, wanted.dataset_id)
    else:
        dataset = _dataset_of(services, principal, base)
    report = dataset.report or {}
    trained = wanted.type != "train" or base is not None
    check_feasible(config, report, makes_files=wanted.type in ("train", "export"), trained=trained)
    if wanted.type in ("train", "export"):  # in an evaluation they may be missing, and TFRecords have their own
        check_features(config, report)
    expected = expect(services, principal, config, report, wanted.type, trained=trained)
    model = _model_name(wanted, base, dataset)
    return Order(wanted.type, dataset.id, config, model, wanted.metadata, expected, base)


def queue(session: Session, principal: Principal, order: Order) -> Job:
    """Queue what was ordered. Nudge the workers after the commit.

    Raises:
        Problem: `unknown_dataset` or `dataset_deleted`: it was deleted a moment ago.
    """
    try:
        job = jobs.create(
            session,
            project=principal.project,
            type=order.type,
            dataset_id=order.dataset_id,
            config=order.config.model_dump(mode="json"),
            preset=order.config.preset,
            model=order.model,
            metadata=order.metadata,
            estimate=None if order.expected is None else order.expected.as_dict(),
            request_id=request_id(),
            base=None if order.base is None else order.base.as_dict(),
        )
    except NotFound:
        if order.base is not None and order.type != "train" and order.base.version.dataset_id == order.dataset_id:
            raise _deleted(order.base) from None
        raise _unknown(order.dataset_id) from None
    return job if order.conversion is None else originals.announce(session, job, order.conversion)


def read_config(wanted: JobRequest) -> JobConfig:
    """The complete config of a request.

    Raises:
        Problem: `validation_failed`, with pointers into the request such as `/config/encoder/kernel_size`.
    """
    document: dict[str, Any] = dict(wanted.config or {})
    preset_pointer = "/config/preset"
    if wanted.preset is not None:
        if document.get("preset") not in (None, wanted.preset):
            fault = Fault("/preset", "contradiction", "`preset` and `config.preset` differ; give one of them")
            raise Problem("validation_failed", fault.detail, errors=[fault])
        document["preset"] = wanted.preset
        preset_pointer = "/preset"
    try:
        return job_config.load(document)
    except ConfigInvalid as error:
        problem = from_pocketrec(error, "/config")
        faults = [
            Fault(preset_pointer, fault.code, fault.detail) if fault.pointer == "/config/preset" else fault
            for fault in problem.faults
        ]
        raise Problem("validation_failed", problem.text, errors=faults) from None


def check_feasible(
    config: JobConfig, report: Mapping[str, Any], *, makes_files: bool = True, trained: bool = False
) -> None:
    """Refuse what the dataset's own report shows to be impossible. The pipeline checks again on the rows themselves.

    Args:
        makes_files: whether the job exports any, which `export.max_bytes` is about.
        trained: whether it begins with weights, so that dimensions can't give way to it.

    Raises:
        Problem: `dataset_too_small` or `size_budget_impossible`.
    """
    users = report.get("users")
    accepted = report.get("rows", {}).get("accepted")
    shortest = config.min_timeline_length
    if isinstance(users, int) and isinstance(accepted, int) and accepted - users + 1 < shortest:
        # Even if all users but one had a single interaction, the last one's timeline would be too short.
        detail = (
            f"no user of this dataset can have the {shortest} interactions that examples.min_timeline_length asks for "
            f"({accepted} rows, {users} users); upload a longer log"
        )
        fault = Fault("/config/examples/min_timeline_length", "dataset_too_small", detail)
        raise Problem("dataset_too_small", detail, errors=[fault])
    items = report.get("items")
    if makes_files and isinstance(items, int):
        try:
            require_budget(config if trained else smallest(config), items)
        except SizeBudgetImpossible as error:
            raise from_pocketrec(error, "/config") from None


def check_features(config: JobConfig, report: Mapping[str, Any]) -> None:
    """Refuse features of columns that the dataset's report doesn't list, or lists with another type.

    Raises:
        Problem: `validation_failed`, with a fault for each.
    """
    try:
        require_columns(config.features, report)
    except ConfigInvalid as error:
        raise from_pocketrec(error, "/config") from None


def default_model_name(dataset_name: str) -> str:
    """A model name made of a dataset's: `My Ratings (2).csv` -> `my-ratings-2`."""
    stem = PurePosixPath(dataset_name).stem.lower()
    return re.sub(r"[^a-z0-9]+", "-", stem)[:MAX_MODEL_NAME].strip("-") or "model"


def _model_name(wanted: JobRequest, base: Base | None, dataset: Dataset) -> str | None:
    if wanted.type not in ("train", "export"):
        return None
    return wanted.model or (default_model_name(dataset.name) if base is None else base.version.model)


def _with_tfrecords(config: JobConfig, wanted: JobRequest, layout: originals.Layout) -> JobConfig:
    """The config of a job that is there to write them: with all defaults, where the request doesn't say how."""
    given = (wanted.config or {}).get("examples")
    if config.examples.tfrecord is not None or (isinstance(given, Mapping) and "tfrecord" in given):
        return config
    examples = config.examples.model_copy(update={"tfrecord": TfrecordConfig(layout=layout)})
    return config.model_copy(update={"examples": examples})


def _check_name(name: str) -> None:
    try:
        check_model_name(name)
    except InvalidName as error:
        fault = Fault("/model", "invalid_name", error.message)
        raise Problem("validation_failed", error.message, errors=[fault]) from None


def _dataset_of(services: Services, principal: Principal, base: Base | None) -> Dataset:
    """The dataset that the base version was made from."""
    if base is None:
        raise AssertionError("a request without a dataset has a base")
    try:
        with services.database.read() as session:
            return datasets.get(session, base.version.dataset_id or "", project=principal.project)
    except NotFound:
        raise _deleted(base) from None


def _deleted(base: Base) -> Problem:
    version = base.version
    message = f"The dataset of version {version.version} of {version.model}, {version.dataset_id}, was deleted."
    fault = Fault("/base/version", "dataset_deleted", "name a version whose dataset is there, or train again")
    return Problem("dataset_deleted", message, errors=[fault])


def _usable_dataset(services: Services, principal: Principal, dataset_id: str) -> Dataset:
    try:
        if not plausible_id(dataset_id):
            raise NotFound(dataset_id)
        with services.database.read() as session:
            dataset = datasets.get(session, dataset_id, project=principal.project)
    except NotFound:
        raise _unknown(dataset_id) from None
    if dataset.status == "validating":
        fault = Fault("/dataset_id", "dataset_not_ready", "wait until its status is ready, then try again")
        raise Problem(
            "dataset_not_ready", f"{dataset.id} is still being validated.", errors=[fault], headers={"Retry-After": "1"}
        )
    if dataset.status == "invalid":
        cause = recorded(dataset.error) or {}
        fault = Fault("/dataset_id", "dataset_invalid", f"its report says why: /v1/datasets/{dataset.id}/report")
        message = f"{dataset.id} is invalid: {cause.get('detail', 'see its report')}"
        raise Problem("dataset_invalid", message, errors=[fault], extra={"cause": cause})
    return dataset


def _unknown(dataset_id: str) -> Problem:
    fault = Fault("/dataset_id", "unknown_dataset", "no such dataset; GET /v1/datasets lists them")
    return Problem("unknown_dataset", f"There is no dataset {dataset_id!r}.", errors=[fault])
