"""The published version that a job begins with, and what becomes of its config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from app.dependencies import Services
from app.jobs.schemas import BaseRequest, JobRequest
from app.models import facts
from app.problems import Fault, Problem, from_pocketrec
from app.security import Principal
from reco_core import config as job_config
from reco_core.config import JobConfig, architecture
from reco_core.errors import ConfigInvalid
from registry import models, retention
from registry.errors import InvalidName, NotFound
from registry.names import check_model_name
from registry.records import ModelVersion

_CHANGES = {"export": job_config.EXPORT_CHANGES, "evaluate": job_config.EVALUATION_CHANGES}


@dataclass(frozen=True)
class Base:
    """A version, and which of its weights; `checkpoint` is None where the type needs none."""

    version: ModelVersion
    checkpoint: str | None
    new_items: tuple[Mapping[str, Any], ...] = ()  # that the job adds to it
    skip_existing: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The form in which a job keeps it."""
        kept = {"model": self.version.model, "version": self.version.version, "checkpoint": self.checkpoint}
        if self.new_items:
            kept |= {"new_items": [dict(item) for item in self.new_items], "skip_existing": self.skip_existing}
        return kept


def find_base(services: Services, principal: Principal, wanted: JobRequest) -> Base | None:
    """The version that a request names, with the files that its type needs; None where it names none.

    Raises:
        Problem: `unknown_model`, `no_weights` or `validation_failed`.
        RemovedByPolicy: the version keeps no files any more.
    """
    if wanted.base is None:
        return None
    version = _find(services, principal, wanted.base)
    if not version.files:
        with services.database.read() as session:
            retention.require_kept(session, version.id, "yanked_versions", "old_versions")
    if wanted.type == "evaluate":
        return Base(version, None)
    kept = facts.kept_weights(version)
    if not kept:
        raise Problem(
            "no_weights",
            f"Version {version.version} of {version.model} keeps no weights: an earlier release made it.",
            errors=[Fault("/base/version", "no_weights", "train again, or name a version that lists `weights`")],
        )
    checkpoint = wanted.base.checkpoint or facts.BEST
    if checkpoint not in kept:
        names = list(kept)
        shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
        fault = Fault("/base/checkpoint", "unknown_checkpoint", f"the version keeps {shown}")
        raise Problem("validation_failed", f"{fault.pointer}: {fault.detail}", errors=[fault])
    new_items = tuple(item.model_dump() for item in wanted.new_items or ())
    return Base(version, checkpoint, new_items, wanted.skip_existing)


def changed_config(base: Base, changes: Mapping[str, Any], type_: str) -> JobConfig:
    """The config of the base version, with what of it a job of this type may change.

    Raises:
        Problem: `validation_failed`.
    """
    config = _config(base)
    with _pointing_into_config():
        if type_ == "train":
            return architecture.continued(config, changes)
        return job_config.with_changes(config, changes, _CHANGES[type_])


def require_architecture(base: Base, config: JobConfig) -> None:
    """Refuse a config whose model can't begin with the base's weights, as far as that can be seen without data.

    Raises:
        Problem: `validation_failed`.
    """
    theirs = _config(base)
    with _pointing_into_config():
        architecture.require_architecture(theirs, config)


def in_full(wanted: JobRequest) -> JobRequest:
    """The request with `base` in place of `base_version`.

    Raises:
        Problem: `validation_failed`: it has both.
    """
    if wanted.base_version is None:
        return wanted
    if wanted.base is not None:
        fault = Fault("/base_version", "contradiction", "`base_version` is `base` in short; give one of them")
        raise Problem("validation_failed", fault.detail, errors=[fault])
    model, _, version = wanted.base_version.rpartition("@")
    base = BaseRequest(model=model, version=int(version), checkpoint=None)
    return wanted.model_copy(update={"base": base, "base_version": None})


def placed(problem: Problem) -> Problem:
    """`problem` of a request that `in_full` has written out, with its pointers into the request as it was sent."""
    faults = [
        Fault("/base_version", one.code, one.detail, one.parameter)
        if one.pointer == "/base" or one.pointer.startswith("/base/")
        else one
        for one in problem.faults
    ]
    return Problem(problem.code, problem.text, errors=faults, headers=problem.headers, extra=problem.extra)


def _config(base: Base) -> JobConfig:
    try:
        return job_config.load_whole(facts.config(base.version))
    except ConfigInvalid as error:
        detail = f"the version was made by another release, and this one can't read its config: {error.message}"
        raise Problem(
            "validation_failed", detail, errors=[Fault("/base/version", "config_unreadable", detail)]
        ) from None


@contextmanager
def _pointing_into_config() -> Iterator[None]:
    try:
        yield
    except ConfigInvalid as error:
        problem = from_pocketrec(error, "/config")
        raise Problem("validation_failed", problem.text, errors=problem.faults) from None


def _find(services: Services, principal: Principal, wanted: BaseRequest) -> ModelVersion:
    try:
        check_model_name(wanted.model)
        with services.database.read() as session:
            model = models.get(session, wanted.model, project=principal.project)
    except (InvalidName, NotFound):
        fault = Fault("/base/model", "unknown_model", "no such model; GET /v1/models lists them")
        raise Problem("unknown_model", f"There is no model {wanted.model!r}.", errors=[fault]) from None
    try:
        with services.database.read() as session:
            return models.get_version(session, model.name, wanted.version, project=principal.project)
    except NotFound:
        hint = f"no such version; GET /v1/models/{model.name}/versions lists them"
        fault = Fault("/base/version", "unknown_model", hint)
        message = f"There is no version {wanted.version} of model {model.name}."
        raise Problem("unknown_model", message, errors=[fault]) from None
