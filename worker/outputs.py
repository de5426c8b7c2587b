"""From a trainer's output folder to the registry: blobs first, then one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry import datasets, job_files, jobs, models
from registry.records import FileEntry, Job
from worker.put_files import put, put_folder

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from registry.blobs import BlobStore
    from registry.records import Claim


@dataclass(frozen=True)
class Record:
    """What is left to do once the files are in the blob store: `record` refers to `entries`, and ends the job."""

    entries: Sequence[FileEntry]
    record: Callable[[Session, Claim], Job]

    def __call__(self, session: Session, claim: Claim) -> Job:
        return self.record(session, claim)


BESIDE_THE_BUNDLE = ("bundle.zip", "measurements.json")
# Also beside it, where the trainer left them: ranks and the page where the test split was ranked, the rest by config.
OPTIONAL_FILES = ("ranks.npz", "report.html", "saved_model.zip")
OPTIONAL_FOLDERS = ("weights", "tensorboard", "examples")
DEFAULT_MODEL = "default"


class OutputsCorrupt(Exception):
    """The trainer's files are not what its manifest says."""


def store_bundle(outputs: Path, model: str | None, blobs: BlobStore) -> Record:
    """Put a bundle into the blob store; what is returned publishes it as a version and ends the job.

    Raises:
        OutputsCorrupt: a file is missing, or has not the size and sha256 that the manifest promises.
    """
    bundle = outputs / "bundle"
    entries = put_folder(bundle, blobs)
    manifest = _read_json(bundle / "manifest.json")
    _check(manifest, entries)
    for name in BESIDE_THE_BUNDLE:
        if not (outputs / name).is_file():
            raise OutputsCorrupt(f"the trainer left no {name}")
        entries.append(put(outputs / name, name, blobs))
    entries += [put(outputs / name, name, blobs) for name in OPTIONAL_FILES if (outputs / name).is_file()]
    for name in OPTIONAL_FOLDERS:
        entries += put_folder(outputs / name, blobs, f"{name}/")
    metrics = _test_metrics(_read_json(bundle / "report.json"))

    def record(session: Session, claim: Claim) -> Job:
        version = models.publish_version(
            session, claim, model=model or DEFAULT_MODEL, files=entries, metrics=metrics, manifest=manifest
        )
        return jobs.succeed(session, claim, models.result_of(version))

    return Record(entries, record)


def store_files(folder: Path, blobs: BlobStore) -> Record:
    """Put the files of a job that publishes no version into the blob store; what is returned ends the job with them.

    Raises:
        OutputsCorrupt: there are none, or the report among them is damaged.
    """
    entries = put_folder(folder, blobs)
    if not entries:
        raise OutputsCorrupt(f"the trainer left no {folder.name}")
    report = folder / "report.json"
    metrics = _test_metrics(_read_json(report)) if report.is_file() else {}

    def record(session: Session, claim: Claim) -> Job:
        return jobs.succeed(session, claim, job_files.publish(session, claim, files=entries, metrics=metrics))

    return Record(entries, record)


def store_dataset(outputs: Path, blobs: BlobStore) -> Record:
    """Put a dataset's canonical form into the blob store; what is returned makes it ready and ends the job."""
    verdict = _read_json(outputs / "report.json")
    entries = put_folder(outputs / "dataset", blobs)
    fetched = _put_fetched(outputs, blobs)

    def record(session: Session, claim: Claim) -> Job:
        dataset = datasets.mark_ready(
            session,
            claim,
            report=verdict["report"],
            content_hash=verdict["content_hash"],
            files=entries,
            preview=verdict.get("preview"),
            fetched=fetched,
        )
        return jobs.succeed(session, claim, {"dataset_id": dataset.id, "status": "ready"})

    return Record([*entries, *fetched], record)


def invalid_dataset(outputs: Path, error: dict[str, Any], blobs: BlobStore) -> Record:
    """What makes a dataset invalid and ends its validation, which has done its work."""
    report = outputs / "report.json"
    found = _read_json(report) if report.is_file() else {}
    fetched = _put_fetched(outputs, blobs)

    def record(session: Session, claim: Claim) -> Job:
        dataset = datasets.mark_invalid(
            session, claim, error=error, report=found.get("report"), preview=found.get("preview"), fetched=fetched
        )
        return jobs.succeed(session, claim, {"dataset_id": dataset.id, "status": "invalid"})

    return Record(fetched, record)


def _test_metrics(report: dict[str, Any]) -> dict[str, float]:
    """`{name: value}` of the shipped file's metrics on test; the report itself has the rest."""
    try:
        return {name: float(metric["value"]) for name, metric in report["test"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OutputsCorrupt(f"report.json has no metrics on test as expected: {error!r}") from error


def _check(manifest: dict[str, Any], entries: list[FileEntry]) -> None:
    stored = {entry.path: entry for entry in entries}
    for promised in manifest["files"]:
        entry = stored.get(promised["path"])
        if entry is None:
            raise OutputsCorrupt(f"{promised['path']} is in the manifest, but the trainer left no such file")
        if (entry.sha256, entry.bytes) != (promised["sha256"], promised["bytes"]):
            raise OutputsCorrupt(f"{promised['path']} has not the size and sha256 that the manifest promises")


def _put_fetched(outputs: Path, blobs: BlobStore) -> list[FileEntry]:
    """The files that the trainer has downloaded; a folder `upload` holds nothing but whole ones."""
    return put_folder(outputs / "upload", blobs)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OutputsCorrupt(f"{path.name} can't be read: {error}") from error
    if not isinstance(content, dict):
        raise OutputsCorrupt(f"{path.name} holds no JSON object")
    return content
