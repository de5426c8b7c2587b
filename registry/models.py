"""Models and their versions: numbers are given out in order per model, and never again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import RowMapping, Select, func, insert, select, update
from sqlalchemy.orm import Session

from registry import events, files, ids, removals, tables
from registry.database import now
from registry.errors import NotFound
from registry.job_rows import fenced
from registry.names import check_model_name
from registry.paging import page
from registry.records import DEFAULT_PROJECT, Claim, FileEntry, Json, Model, ModelVersion, Page, build
from registry.upsert import insert_if_absent

_models = tables.models
_versions = tables.model_versions
_jobs = tables.jobs


def publish_version(
    session: Session,
    claim: Claim,
    *,
    model: str,
    files: Sequence[FileEntry],
    metrics: Mapping[str, Any],
    manifest: Mapping[str, Any],
) -> ModelVersion:
    """Publish what the claimed job made as the next version of `model`, which comes to be with its first version.

    The files' blobs must be in the store. Nobody sees the version before the commit; end the job in the same
    transaction: `jobs.succeed(session, claim, models.result_of(version))`. Raises LeaseLost, InvalidName.
    """
    check_model_name(model)
    moment = now(session)
    job = fenced(session, claim, moment)
    created = {"created_at": moment, "updated_at": moment}
    insert_if_absent(session, _models, id=ids.new("mdl"), project_id=job.project_id, name=model, **created)
    # This update locks the model's row: two publishers get two numbers, one after the other.
    numbered = session.execute(
        update(_models)
        .where(_models.c.project_id == job.project_id, _models.c.name == model)
        .values(last_version=_models.c.last_version + 1, updated_at=moment)
        .returning(_models.c.id, _models.c.last_version)
    ).one()
    version_id = ids.new("mv")
    session.execute(
        insert(_versions).values(
            id=version_id,
            project_id=job.project_id,
            model_id=numbered.id,
            version=numbered.last_version,
            job_id=job.id,
            dataset_id=job.dataset_id,
            metrics=dict(metrics),
            manifest=dict(manifest),
            created_at=moment,
        )
    )
    _add_files(session, version_id, entries=files, moment=moment)
    data = {"model": model, "version": numbered.last_version, "job_id": job.id}
    events.append(session, numbered.id, "model.version_created", data)
    return get_version(session, model, numbered.last_version, project=job.project_id)


def result_of(version: ModelVersion) -> Json:
    """The result of the job that published it: `{model, version, metrics, artifacts: [{path, bytes, sha256}]}`."""
    return {
        "model": version.model,
        "version": version.version,
        "metrics": version.metrics,
        "artifacts": [entry.as_dict() for entry in version.files],
    }


def get(session: Session, name: str, *, project: str = DEFAULT_PROJECT) -> Model:
    """The model. Raises NotFound."""
    query = _select_models().where(_models.c.project_id == project, _models.c.name == name)
    row = session.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no model {name[:80]!r}")
    return build(Model, row)


def list_page(
    session: Session,
    project: str = DEFAULT_PROJECT,
    *,
    created_after: datetime | None = None,
    after: str | None = None,
    limit: int = 20,
) -> Page[Model]:
    """Models, the newest name first; `after` is the `next_after` of the page before."""
    query = _select_models().where(_models.c.project_id == project)
    if created_after is not None:
        query = query.where(_models.c.created_at > created_after)
    return page(session, query, _models.c.id, after, limit, lambda row: build(Model, row))


def get_version(session: Session, name: str, version: int, *, project: str = DEFAULT_PROJECT) -> ModelVersion:
    """A published version, with its files. Raises NotFound."""
    query = _select_versions().where(
        _models.c.project_id == project, _models.c.name == name, _versions.c.version == version
    )
    row = session.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no version {version} of model {name[:80]!r}")
    return _records(session, [row])[0]


def list_versions(
    session: Session,
    name: str,
    *,
    project: str = DEFAULT_PROJECT,
    yanked: bool | None = None,
    created_after: datetime | None = None,
    after: int | None = None,
    limit: int = 20,
) -> Page[ModelVersion]:
    """Versions of a model, the highest number first; `after` is a version number: those below it. Raises NotFound."""
    model = get(session, name, project=project)
    query = _select_versions().where(_versions.c.model_id == model.id)
    if yanked is not None:
        query = query.where(_versions.c.yanked_at.is_not(None) if yanked else _versions.c.yanked_at.is_(None))
    if created_after is not None:
        query = query.where(_versions.c.created_at > created_after)
    found = page(session, query, _versions.c.version, after, limit, lambda row: row)
    return Page(tuple(_records(session, found.items)), found.next_after)


def yank(
    session: Session, name: str, version: int, *, reason: str | None = None, project: str = DEFAULT_PROJECT
) -> ModelVersion:
    """Take a version out of `latest`; it stays as it is for whoever names its number.

    Yanking it again changes nothing but the reason, and that only where another one is given. Raises NotFound.
    """
    model, found = _locked(session, name, version, project)
    if found.yanked_at is not None and reason in (None, found.yank_reason):
        return found
    data = {"model": name, "version": version, "reason": reason}
    return _mark(session, model, found, found.yanked_at or now(session), reason, "model.version_yanked", data)


def unyank(session: Session, name: str, version: int, *, project: str = DEFAULT_PROJECT) -> ModelVersion:
    """Undo `yank`; nothing happens to a version that isn't yanked. Raises NotFound."""
    model, found = _locked(session, name, version, project)
    if found.yanked_at is None:
        return found
    return _mark(session, model, found, None, None, "model.version_unyanked", {"model": name, "version": version})


def version_of_job(session: Session, job_id: str) -> ModelVersion | None:
    """The version that a job published, if it did."""
    row = session.execute(_select_versions().where(_versions.c.job_id == job_id)).mappings().one_or_none()
    return None if row is None else _records(session, [row])[0]


def get_file(version: ModelVersion, path: str) -> FileEntry:
    """The version's file of exactly this path. Raises NotFound."""
    for entry in version.files:
        if entry.path == path:
            return entry
    raise NotFound(f"version {version.version} of {version.model!r} has no file {path[:200]!r}")


_add_files = partial(files.add, role="artifact")


def _locked(session: Session, name: str, version: int, project: str) -> tuple[Model, ModelVersion]:
    """The model and its version, with the model's row locked: what is read of them holds until the commit."""
    row = select(_models.c.id).where(_models.c.project_id == project, _models.c.name == name)
    session.execute(row.with_for_update())  # left out on SQLite, where a writing transaction is alone anyway
    return get(session, name, project=project), get_version(session, name, version, project=project)


def _mark(
    session: Session,
    model: Model,
    version: ModelVersion,
    since: datetime | None,
    reason: str | None,
    event: str,
    data: Json,
) -> ModelVersion:
    session.execute(update(_versions).where(_versions.c.id == version.id).values(yanked_at=since, yank_reason=reason))
    session.execute(update(_models).where(_models.c.id == model.id).values(updated_at=now(session)))
    events.append(session, model.id, event, data)
    return get_version(session, version.model, version.version, project=version.project_id)


def _select_models() -> Select[Any]:
    latest = (
        select(func.max(_versions.c.version))
        .where(_versions.c.model_id == _models.c.id, _versions.c.yanked_at.is_(None))
        .scalar_subquery()
    )
    return select(_models, latest.label("latest_version"))


def _select_versions() -> Select[Any]:
    found = select(_versions, _models.c.name.label("model"), _jobs.c.type.label("job_type"), _jobs.c.base)
    return found.join(_models, _models.c.id == _versions.c.model_id).outerjoin(_jobs, _jobs.c.id == _versions.c.job_id)


def _records(session: Session, rows: Sequence[RowMapping]) -> list[ModelVersion]:
    found = files.of(session, [row["id"] for row in rows])
    removed = removals.of_files(session, [row["id"] for row in rows if (row["id"], "artifact") not in found])
    return [
        build(ModelVersion, row, files=found.get((row["id"], "artifact"), ()), removed=removed.get(row["id"]))
        for row in rows
    ]
