"""Typed errors of the pipeline: each names the cause and the remedy, and carries a stable snake_case code."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol


@dataclass(frozen=True)
class FieldError:
    """One fault. `pointer` is an RFC 6901 JSON pointer into the config or request, or "" when none applies."""

    pointer: str
    code: str
    detail: str


class PocketRecError(Exception):
    """Base of all errors a user can cause or mend. `code` is part of the product; `message` is plain words."""

    code: ClassVar[str] = "pipeline_failed"

    def __init__(self, message: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.errors = tuple(errors)

    def as_dict(self) -> dict[str, Any]:
        """`{code, message, errors: [{pointer, code, detail}]}`, the form in which a worker records it."""
        return {"code": self.code, "message": self.message, "errors": [asdict(error) for error in self.errors]}


class ConfigInvalid(PocketRecError):
    """The config breaks its schema or its fields contradict each other."""

    code = "validation_failed"


class Report(Protocol):
    """A load report, as far as errors need to know it."""

    def as_dict(self) -> dict[str, Any]: ...


class DatasetInvalid(PocketRecError):
    """The content of a dataset is malformed; `errors` and the load report name lines and reasons.

    `report` is the complete load report, or None where reading got as far as the header only.
    """

    code = "dataset_invalid"

    def __init__(self, message: str, errors: Sequence[FieldError] = (), report: Report | None = None) -> None:
        super().__init__(message, errors)
        self.report = report


class DatasetTooSmall(PocketRecError):
    """Not enough users, items or interactions to make a train, validation and test split.

    `report` is the load report, or None for a file without rows.
    """

    code = "dataset_too_small"

    def __init__(self, message: str, errors: Sequence[FieldError] = (), report: Report | None = None) -> None:
        super().__init__(message, errors)
        self.report = report


class DatasetTooLarge(PocketRecError):
    """A file announces, or turns out to hold, more than the limits allow."""

    code = "dataset_too_large"


class DatasetUnreadable(PocketRecError):
    """The file can't be opened as the format it claims to be."""

    code = "dataset_unreadable"


class DatasetUnavailable(PocketRecError):
    """A built-in dataset could not be downloaded, or its checksum is not the pinned one."""

    code = "dataset_unavailable"


class DownloadFailed(PocketRecError):
    """What a dataset was to be fetched from didn't answer, or not with the file."""

    code = "download_failed"


class UrlNotAllowed(PocketRecError):
    """An address that the service doesn't fetch datasets from."""

    code = "url_not_allowed"


class ArchiveRejected(PocketRecError):
    """A zip that is unsafe to unpack."""

    code = "archive_rejected"


class ResourceEstimateExceeded(PocketRecError):
    """The job would need more memory, time or file size than it may have, known before training.

    `estimate` is the whole estimate as JSON; `errors` point at each field that would mend it by itself.
    """

    code = "resource_estimate_exceeded"

    def __init__(
        self, message: str, errors: Sequence[FieldError] = (), estimate: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message, errors)
        self.estimate = dict(estimate or {})


class SizeBudgetImpossible(PocketRecError):
    """No variant can fit `export.max_bytes`, known before training."""

    code = "size_budget_impossible"


class NotABundle(PocketRecError):
    """A folder without the files of a bundle."""

    code = "not_a_bundle"


class ExamplesUnreadable(PocketRecError):
    """Stored examples that are incomplete, damaged, or of another version; made again, they are the same."""

    code = "examples_unreadable"


class RanksUnreadable(PocketRecError):
    """A file of ranks that isn't one, or is damaged."""

    code = "ranks_unreadable"


class UnknownItems(PocketRecError):
    """Raw item ids that a bundle's vocabulary doesn't hold."""

    code = "unknown_items"


class ItemsExist(PocketRecError):
    """Items are to be added that the model has already."""

    code = "items_exist"


class OutputExists(PocketRecError):
    """The folder that a bundle is to be written to holds something already."""

    code = "output_exists"


class Diverged(PocketRecError):
    """The training loss became NaN or infinite."""

    code = "diverged"


class ParityFailed(PocketRecError):
    """The float32 file doesn't rank as the trained model does."""

    code = "parity_failed"


class CheckpointMismatch(PocketRecError):
    """A checkpoint belongs to another config, dataset or architecture."""

    code = "checkpoint_mismatch"


class NoWeights(PocketRecError):
    """Where the weights of an earlier run should lie are none."""

    code = "no_weights"


class InsufficientStorage(PocketRecError):
    """The disk, or the user's share of it, is full."""

    code = "insufficient_storage"


class Interrupted(PocketRecError):
    """Training was asked to stop; its state is in the checkpoint written last."""

    code = "interrupted"


# TensorFlow, Polars and the databases put the system's error into words only.
_FULL_IN_WORDS = ("No space left on device", "Disk quota exceeded", "database or disk is full")


def is_disk_full(error: BaseException) -> bool:
    """Whether a full disk is what `error`, or an error that it was made from, is about."""
    return any(_says_full(one) for one in _chain(error))


def _says_full(error: BaseException) -> bool:
    if isinstance(error, PocketRecError):
        return isinstance(error, InsufficientStorage)  # its message may quote a user's data
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return any(words in str(error) for words in _FULL_IN_WORDS)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__
