"""From a received form to a committed dataset."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from sqlalchemy.orm import Session

from app.datasets.labels import read as read_labels
from app.datasets.multipart import Form, ReceivedFile, safe_name
from app.datasets.spec_form import read_spec
from app.dependencies import Services
from app.observability import request_id
from app.problems import Fault, Problem
from app.security import Principal
from reco_core.datasets.spec import DatasetSpec, ItemsSpec
from registry import datasets
from registry.errors import InvalidName
from registry.names import check_dataset_name
from registry.records import Dataset, FileEntry

FILE_PARTS = frozenset({"file", "items"})
_ARCHIVES = (".zip",)
_STALE_SECONDS = 24 * 3600


@contextmanager
def scratch_folder(state_dir: Path) -> Iterator[Path]:
    """A private folder for one upload; gone at the end, whatever happens."""
    folder = state_dir / "uploads" / secrets.token_hex(16)
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(state_dir: Path) -> None:
    """Remove what uploads left behind whose process was killed."""
    root = state_dir / "uploads"
    if root.is_dir():
        for folder in root.iterdir():
            with suppress(FileNotFoundError):  # its upload has just ended, or somebody else sweeps too
                if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)


def store(services: Services, principal: Principal, form: Form) -> Callable[[Session], Dataset]:
    """Keep the files of a complete form; what is returned makes the dataset and queues its validation.

    Raises:
        Problem: a fault in the form's fields.
    """
    spec = read_spec(form.fields)
    log = form.files.get("file")
    if log is None:
        fault = Fault("/file", "missing", "the log itself, as a file part")
        raise Problem("validation_failed", "The form has no part `file` with the log.", errors=[fault])
    if log.bytes == 0:
        fault = Fault("/file", "empty", "the file has no bytes")
        raise Problem("validation_failed", "The uploaded file is empty.", errors=[fault])
    log_name = safe_name(log.filename, "log")
    labels = read_labels(form.fields)
    name = checked_name(form.fields.get("name") or log_name)
    entries = [_keep(services, log_name, log)]
    items = form.files.get("items")
    if items is not None:
        items_name = _name_beside(log_name, safe_name(items.filename, "items"))
        entries.append(_keep(services, items_name, items))
        spec = _beside(spec, log_name, items_name)
    return partial(
        datasets.create,
        project=principal.project,
        name=name,
        spec=spec.model_dump(mode="json"),
        upload=entries,
        source={"filename": log_name},
        labels=labels,
        request_id=request_id(),
    )


def checked_name(name: str) -> str:
    """The name, if it is one line of printable characters.

    Raises:
        Problem: `validation_failed`.
    """
    try:
        return check_dataset_name(name)
    except InvalidName as error:
        fault = Fault("/name", "invalid_name", error.message)
        raise Problem("validation_failed", error.message, errors=[fault]) from None


def _keep(services: Services, name: str, received: ReceivedFile) -> FileEntry:
    blob = services.blobs.adopt_file(received.path)
    if blob.sha256 != received.sha256:
        raise OSError(f"the disk gave back other bytes than were written to it ({received.path.name})")
    return FileEntry(name, blob.bytes, blob.sha256)


def _name_beside(log_name: str, items_name: str) -> str:
    return items_name if items_name != log_name else f"items-{items_name}"


def _beside(spec: DatasetSpec, log_name: str, items_name: str) -> DatasetSpec:
    """The spec for a log and an item table that lie side by side in one folder."""
    if log_name.lower().endswith(_ARCHIVES):
        fault = Fault("/items", "not_with_archive", "put the item table into the zip")
        raise Problem("validation_failed", "A zip and a separate item table can't be combined.", errors=[fault])
    if spec.items is None:
        fault = Fault("/spec/items", "contradiction", "null says that there is no item table")
        raise Problem("validation_failed", "The form has a part `items`, but the spec says null.", errors=[fault])
    beside = ItemsSpec.model_validate({**spec.items.model_dump(), "path": items_name})
    return spec.model_copy(update={"path": log_name, "items": beside})
