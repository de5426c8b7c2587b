"""The folder of one attempt: inputs brought from the blob store, outputs written by the trainer."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from registry import checkpoints, datasets, models
from registry.errors import BlobCorrupt, BlobMissing, NotFound
from worker import example_sets, log_lines, parse_limits

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from registry.blobs import BlobStore
    from registry.database import Database
    from registry.records import Checkpoint, Claim, Dataset, FileEntry, Job, ModelVersion
    from registry.settings import Settings
    from worker.lease import Lease

log = structlog.get_logger(__name__)

# However busy the machine: between making its folder and locking it an attempt does nothing else.
LOCKED_WITHIN_SECONDS = 600.0


@contextmanager
def attempt_folder(root: Path, claim: Claim) -> Iterator[Path]:
    """A new folder for this attempt with empty `inputs` and `outputs`; it is removed at the end."""
    folder = root / f"{claim.job_id}.{claim.fence}"
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("inputs", "outputs"):
        (folder / name).mkdir(parents=True)
    try:
        with (folder / "lock.new").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # says to `sweep` that somebody still works here
            # Only now it gets its name: one that nobody holds yet looks to a sweep like one that nobody holds any more.
            (folder / "lock.new").rename(folder / "lock")
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def size(folder: Path) -> int:
    """Bytes that the files in `folder` take on the disk; a file with two names counts once."""
    taken: dict[int, int] = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # gone meanwhile
                status = os.lstat(os.path.join(parent, name))  # noqa: PTH118 - a Path for each would take longer
                taken[status.st_ino] = status.st_blocks * 512
    return sum(taken.values())


def sweep(root: Path) -> None:
    """Remove the folders of attempts whose supervisor was killed. What isn't one, or can't be opened, is left there."""
    for folder in root.glob("job_*"):
        try:
            _remove_if_left(folder)
        except OSError as error:
            _warn_once(folder, str(error))


def _remove_if_left(folder: Path) -> None:
    try:
        with (folder / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(folder)
    except BlockingIOError:
        return  # somebody's
    except FileNotFoundError:
        # So new that it has no lock yet, or its supervisor was killed just then, or while it removed the folder.
        with contextlib.suppress(FileNotFoundError):
            if time.time() - folder.stat().st_ctime > LOCKED_WITHIN_SECONDS:
                _remove(folder)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    log.info("attempt_folder_removed", folder=folder.name)


@lru_cache(maxsize=256)
def _warn_once(folder: Path, reason: str) -> None:
    """Not at each sweep: they come every few seconds."""
    log.warning("attempt_folder_not_swept", folder=str(folder), error=reason)


@dataclass(frozen=True)
class Inputs:
    """What was brought: `resumes` from a checkpoint; the `examples` that are wanted, and whether they `are_there`."""

    resumes: bool
    examples: example_sets.Wanted | None
    are_there: bool


def prepare(folder: Path, lease: Lease, database: Database, blobs: BlobStore, settings: Settings) -> Inputs:
    """Bring all that the trainer of the lease's claim needs into `folder`.

    Raises:
        NotFound, BlobMissing, BlobCorrupt: an input is gone.
        LeaseLost: the database was away for too long.
    """
    job = lease.claim.job
    dataset, checkpoint, version = lease.read(lambda session: _of(session, job))
    inputs = folder / "inputs"
    wanted = example_sets.wanted(job, dataset, settings.examples_cache_bytes)
    are_there = False
    order: dict[str, Any] = {"type": job.type, "job_id": job.id, "attempt": job.attempt}
    if job.type == "validate_dataset":
        order |= {"spec": dataset.spec, "limits": parse_limits.order(settings)}
        if dataset.upload or not {"builtin", "url"} & dataset.source.keys():
            order["upload"] = _fetch_upload(dataset, inputs, blobs)
        else:
            order |= {"source": dataset.source, **_how_to_fetch(settings)}
    else:
        order |= {"config": job.config, "base": job.base}
        if wanted is not None:
            order["data_hash"] = wanted.data_hash
            are_there = example_sets.fetch(wanted, database, blobs, inputs / "examples")
        if not are_there or (job.config.get("examples") or {}).get("tfrecord") is not None:
            _fetch(dataset.files, inputs / "dataset", blobs)
        if version is not None:
            _fetch(_needed(job, version), inputs / "base", blobs)
        if checkpoint is not None and not _fetch_checkpoint(checkpoint, inputs, lease, blobs, settings):
            checkpoint = None
    (folder / "job.json").write_text(json.dumps(order), encoding="utf-8")
    return Inputs(checkpoint is not None, wanted, are_there)


def _of(session: Session, job: Job) -> tuple[Dataset, Checkpoint | None, ModelVersion | None]:
    """What a job begins with: its dataset, its newest checkpoint and the version that it names."""
    if job.dataset_id is None:
        raise NotFound(f"{job.id} has no dataset")
    version = None if job.base is None else _base_version(session, job)
    return datasets.get(session, job.dataset_id), checkpoints.latest_checkpoint(session, job.id), version


def _base_version(session: Session, job: Job) -> ModelVersion:
    base = job.base or {}
    return models.get_version(session, str(base["model"]), int(base["version"]), project=job.project_id)


def _needed(job: Job, version: ModelVersion) -> tuple[FileEntry, ...]:
    """Of the base version's files the weights to export from or to begin with, the bundle to evaluate, or both."""
    base = job.base or {}
    weights: tuple[FileEntry, ...] = ()
    if job.type in ("export", "train"):
        weights = (models.get_file(version, f"weights/{base['checkpoint']}.npz"),)
        if not base.get("new_items"):
            return weights
    names = {"manifest.json", *(entry["path"] for entry in version.manifest.get("files", ()))}
    return (*weights, *(entry for entry in version.files if entry.path in names))


def _how_to_fetch(settings: Settings) -> dict[str, Any]:
    """Where built-in datasets are kept, and the rules for `worker.sources`."""
    rules = {
        "allow_urls": settings.allow_urls,
        "allow_http_urls": settings.allow_http_urls,
        "url_ports": settings.url_ports,
        "max_bytes": settings.max_upload_bytes,
        "seconds": settings.download_seconds,
    }
    return {"cache": str(settings.state_dir / "downloads"), "rules": rules}


def _fetch_checkpoint(checkpoint: Checkpoint, inputs: Path, lease: Lease, blobs: BlobStore, settings: Settings) -> bool:
    """Bring what the job goes on from. One that is damaged or gone for two attempts is forgotten: then False.

    Training anew costs time; without it neither this job nor a retry of it would ever get on.
    """
    try:
        blobs.fetch(checkpoint.sha256, inputs / "checkpoint.npz")
    except (BlobMissing, BlobCorrupt) as error:
        # The last attempt that may be made begins anew too, also where it is the first.
        if lease.claim.job.attempts_without_progress < min(2, settings.max_attempts_without_progress):
            raise
        reason, lines = error.message, [log_lines.started_over(error.message)]
        log.warning("checkpoint_lost", reason=reason)
        lease.write(log_lines.then(lambda session, claim: checkpoints.start_over(session, claim, reason), lines))
        (inputs / "checkpoint.npz").unlink(missing_ok=True)
        return False
    return True


def _fetch_upload(dataset: Dataset, inputs: Path, blobs: BlobStore) -> str:
    """Bring the files as they came, and return the path in `inputs` that the parsers get: the file, or their folder."""
    if not dataset.upload:
        raise NotFound(f"dataset {dataset.id} has no files")
    _fetch(dataset.upload, inputs / "upload", blobs)
    return f"upload/{dataset.upload[0].path}" if len(dataset.upload) == 1 else "upload"


def _fetch(entries: tuple[FileEntry, ...], to: Path, blobs: BlobStore) -> None:
    for entry in entries:
        path = to / entry.path
        # The registry refuses such paths; a file outside the folder would be too bad to rely on that alone.
        if not path.resolve().is_relative_to(to.resolve()):
            raise NotFound(f"{entry.path!r} is not a relative path")
        path.parent.mkdir(parents=True, exist_ok=True)
        blobs.fetch(entry.sha256, path)


@contextmanager
def pinned(path: Path) -> Iterator[Path]:
    """A second name for the file at `path`, which stays the same file when the trainer replaces the first one."""
    name = path.with_name(f"{path.name}.pinned")
    with contextlib.suppress(FileNotFoundError):
        name.unlink()
    name.hardlink_to(path)
    try:
        yield name
    finally:
        name.unlink(missing_ok=True)
