"""From a received form to a committed dataset."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
from reco_core.datasets.spec import DatasetSpec, ItemsSpec, UsersSpec
from registry import datasets, files, occupied
from registry.database import now
from registry.errors import BlobMissing, InvalidName
from registry.names import check_dataset_name
from registry.records import Dataset, FileEntry

_TABLES = {"items": "item table", "users": "user table"}  # parts that may come with the log
FILE_PARTS = frozenset({"file", *_TABLES})
_ARCHIVES = (".zip",)
_TRIES = 5


@contextmanager
def scratch_folder(state_dir: Path) -> Iterator[Path]:
    """A private folder for one upload; gone at the end, whatever happens."""
    with occupied.folder(state_dir / "uploads" / secrets.token_hex(16), mode=0o700) as folder:
        yield folder


def sweep(state_dir: Path, fresh_seconds: float = occupied.FRESH_SECONDS) -> None:
    """Remove what uploads left behind whose process was killed."""
    occupied.remove_left_folders(state_dir / "uploads", fresh_seconds=fresh_seconds)


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
    for part in _TABLES:
        table = form.files.get(part)
        if table is not None:
            table_name = _free_name(part, safe_name(table.filename, part), [entry.path for entry in entries])
            entries.append(_keep(services, table_name, table))
            spec = _beside(spec, log_name, part, table_name)
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
    for left in reversed(range(_TRIES)):
        blob = services.blobs.adopt_file(received.path)
        if blob.sha256 != received.sha256:
            raise OSError(f"the disk gave back other bytes than were written to it ({received.path.name})")
        try:
            with services.database.write() as session:
                files.hold_blobs(session, [blob], now(session))
        except BlobMissing:  # it lay there unused, and the sweep took it just now
            if not left:
                raise
        else:
            break
    return FileEntry(name, blob.bytes, blob.sha256)


def _free_name(part: str, name: str, taken: Sequence[str]) -> str:
    return name if name not in taken else f"{part}-{name}"


def _beside(spec: DatasetSpec, log_name: str, part: str, table_name: str) -> DatasetSpec:
    """The spec for a log and the table `part` of it that lie side by side in one folder."""
    if log_name.lower().endswith(_ARCHIVES):
        fault = Fault(f"/{part}", "not_with_archive", f"put the {_TABLES[part]} into the zip")
        raise Problem("validation_failed", f"A zip and a separate {_TABLES[part]} can't be combined.", errors=[fault])
    given: ItemsSpec | UsersSpec | None = getattr(spec, part)
    if given is None:
        fault = Fault(f"/spec/{part}", "contradiction", f"null says that there is no {_TABLES[part]}")
        raise Problem("validation_failed", f"The form has a part `{part}`, but the spec says null.", errors=[fault])
    return spec.model_copy(update={"path": log_name, part: given.model_copy(update={"path": table_name})})
