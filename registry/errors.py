"""What the registry refuses, with the stable snake_case code that the doors show."""

from __future__ import annotations

from typing import ClassVar


class RegistryError(Exception):
    """Base of the registry's errors. `message` is plain words and safe to show."""

    code: ClassVar[str] = "registry_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFound(RegistryError):
    """No such object, or it belongs to another project; the two are told apart nowhere."""

    code = "not_found"


class InvalidName(RegistryError):
    """A name that is not a slug, or holds control characters."""

    code = "invalid_name"


class DatasetNotReady(RegistryError):
    """The dataset is still being validated, or is invalid."""

    code = "dataset_not_ready"


class DatasetInUse(RegistryError):
    """Jobs that need the dataset are waiting or running; `job_ids` names them."""

    code = "dataset_in_use"

    def __init__(self, message: str, job_ids: tuple[str, ...]) -> None:
        super().__init__(message)
        self.job_ids = job_ids


class LeaseLost(RegistryError):
    """The claim is stale: its job has ended, was released, or another worker holds it. Stop work and write nothing."""

    code = "lease_lost"


class BlobMissing(RegistryError):
    """No blob of this sha256 is in the store."""

    code = "blob_missing"


class BlobCorrupt(RegistryError):
    """The bytes in the store don't have the sha256 they are filed under."""

    code = "artifact_corrupt"


class JobNotFinished(RegistryError):
    """The job is still queued or running."""

    code = "job_not_finished"


class JobSucceeded(RegistryError):
    """The job has its result; there is nothing to try again."""

    code = "job_succeeded"


class JobNotRetryable(RegistryError):
    """A job of this type can't be tried again by itself."""

    code = "job_not_retryable"


class DatasetDeleted(RegistryError):
    """The job's dataset is gone."""

    code = "dataset_deleted"


class IdempotencyKeyReused(RegistryError):
    """The idempotency key was used before, at the same address, for another body."""

    code = "idempotency_key_reused"


class IdempotencyInFlight(RegistryError):
    """The first request with this idempotency key has no answer yet."""

    code = "idempotency_in_flight"


class UnsupportedDatabase(RegistryError):
    """The database URL names something other than SQLite or PostgreSQL."""

    code = "unsupported_database"


class DatabaseTooNew(RegistryError):
    """A newer release has migrated the database; this one would write rows that it can't know to be wrong."""

    code = "database_too_new"


class DatabaseTooOld(RegistryError):
    """The schema is an older release's, and may still be in use by it."""

    code = "database_too_old"


class DatabaseMissing(RegistryError):
    """There is no database, or an empty one."""

    code = "no_database"


class RemovedByPolicy(RegistryError):
    """It was there; the service's retention policy has removed it since."""

    code = "removed_by_policy"


class TargetNotEmpty(RegistryError):
    """A backup or restore would mix with what is there."""

    code = "target_not_empty"


class BackupInvalid(RegistryError):
    """There is no backup, or one that this release can't read."""

    code = "backup_invalid"


class BackupDamaged(BackupInvalid):
    """Files of the backup are missing, or aren't those that were backed up."""

    code = "backup_damaged"


class BackupUnderWay(RegistryError):
    """Another backup is being made."""

    code = "backup_under_way"
