"""The schema. Core tables and not mapped classes: every write is a single statement with its condition, so there is no
identity map that could hold a stale row. Only the module that owns a table writes it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator, TypeEngine


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in UTC. SQLite keeps them as text of fixed width, which compares as the times do."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """`timestamptz` on PostgreSQL, text elsewhere."""
        return dialect.type_descriptor(DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times: nobody could say what they mean."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}; give it a time zone")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = String(48)
Sha256 = String(64)
# SQLite counts rows up by itself only in a column that is exactly INTEGER PRIMARY KEY.
RowNumber = BigInteger().with_variant(Integer(), "sqlite")


def _json(name: str, *, nullable: bool = True) -> Column[Any]:
    # JSON and not JSONB: keeps key order, and accepts an escaped NUL that a hostile dataset may put into a report.
    return Column(name, JSON(none_as_null=True), nullable=nullable)


def _project() -> Column[Any]:
    return Column("project_id", Id, ForeignKey("projects.id"), nullable=False)


def _time(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, UtcDateTime(), nullable=nullable)


def _counter(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


projects = Table("projects", metadata, Column("id", Id, primary_key=True), _time("created_at"))

blobs = Table(
    "blobs",
    metadata,
    Column("sha256", Sha256, primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    _time("created_at"),
    # Since when nothing refers to it, as far as anybody has looked, or what was put for a reference still to come.
    _time("unused_since", nullable=True),
    Index(None, "unused_since"),
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", Id, primary_key=True),
    _project(),
    Column("name", Text, nullable=False),
    Column("status", String(16), nullable=False),
    _json("spec", nullable=False),
    _json("source", nullable=False),
    Column("content_hash", Sha256),
    _json("report"),
    # Some rows as they were read, made by the validation, so that showing them costs no parsing.
    _json("preview"),
    _json("error"),
    Column("validation_job_id", Id, nullable=False),
    _json("labels", nullable=False),
    _counter("last_seq"),
    _counter("revision"),
    _time("created_at"),
    _time("updated_at"),
    _time("ready_at", nullable=True),
    # Deleted datasets stay as rows without content, because finished jobs refer to them.
    _time("deleted_at", nullable=True),
    CheckConstraint("status IN ('validating', 'ready', 'invalid')", name="status"),
    Index(None, "project_id", "id"),
    Index(None, "project_id", "status", "id"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Id, primary_key=True),
    _project(),
    Column("type", String(32), nullable=False),
    Column("queue", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("phase", String(32)),
    _time("phase_started_at", nullable=True),
    # Position from 1 in records.PHASES of the furthest phase that any attempt has entered; 0 before the first.
    _counter("furthest_phase"),
    _json("progress"),
    _counter("attempt"),
    _counter("attempts_without_progress"),
    _counter("fence"),
    _time("lease_until", nullable=True),
    Column("worker", Text),
    _time("cancel_requested_at", nullable=True),
    _time("published_at"),
    _counter("last_seq"),
    _counter("revision"),
    _json("error"),
    Column("dataset_id", Id, ForeignKey("datasets.id")),
    _json("config", nullable=False),
    Column("preset", String(64)),
    Column("model", String(64)),
    _json("metadata", nullable=False),
    # What was expected of it when it was queued: `{examples, bytes, memory_bytes, seconds, ...}`.
    _json("estimate"),
    _json("result"),
    Column("retry_of", Id, ForeignKey("jobs.id")),
    # The request that queued it, to follow it from the API's log into the worker's.
    Column("request_id", String(128)),
    # What jobs on a published version begin with: `{model, version, checkpoint}`.
    _json("base"),
    _time("created_at"),
    _time("updated_at"),
    _time("started_at", nullable=True),
    _time("finished_at", nullable=True),
    CheckConstraint("status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="status"),
    CheckConstraint(
        "(finished_at IS NOT NULL) = (status IN ('succeeded', 'failed', 'cancelled'))", name="finished_when_terminal"
    ),
    CheckConstraint("status <> 'running' OR lease_until IS NOT NULL", name="running_has_lease"),
    Index(None, "project_id", "id"),
    Index(None, "dataset_id"),
    Index(None, "finished_at"),
    # One for each filter of the list, in the order of the list, so that a page costs the same at any length.
    Index(None, "project_id", "status", "id"),
    Index(None, "project_id", "type", "id"),
    Index(None, "project_id", "dataset_id", "id"),
    Index(None, "project_id", "model", "id"),
    # The few live rows among many finished ones: the claim order, and what the reaper looks through.
    Index(
        "ix_jobs_live",
        "queue",
        "id",
        postgresql_where=text("status IN ('queued', 'running')"),
        sqlite_where=text("status IN ('queued', 'running')"),
    ),
    Index(
        "ix_jobs_lease_until",
        "lease_until",
        postgresql_where=text("status = 'running'"),
        sqlite_where=text("status = 'running'"),
    ),
)

job_metadata = Table(
    "job_metadata",
    metadata,
    # The pairs of `jobs.metadata` again, one a row, for lists filtered by them.
    Column("job_id", Id, ForeignKey("jobs.id"), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("value", String(512), nullable=False),
    _project(),
    Index(None, "project_id", "key", "value", "job_id"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("job_id", Id, ForeignKey("jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("fence", Integer, nullable=False),
    Column("worker", Text, nullable=False),
    Column("outcome", String(16), nullable=False),
    _json("error"),
    # Seconds in each phase it has left: `{"train": 12.5}`.
    _json("phases"),
    _time("started_at"),
    _time("ended_at", nullable=True),
    CheckConstraint("outcome IN ('running', 'succeeded', 'failed', 'cancelled', 'released', 'lost')", name="outcome"),
)

events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    _project(),
    Column("subject", Id, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("type", String(64), nullable=False),
    _json("data", nullable=False),
    _time("created_at"),
    UniqueConstraint("subject", "seq"),
)

job_epochs = Table(
    "job_epochs",
    metadata,
    Column("job_id", Id, ForeignKey("jobs.id"), primary_key=True),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    _json("metrics", nullable=False),
    _time("created_at"),
)

job_logs = Table(
    "job_logs",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("job_id", Id, ForeignKey("jobs.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("line", Text, nullable=False),
    _time("created_at"),
    Index(None, "job_id", "id"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("id", Id, primary_key=True),
    Column("job_id", Id, ForeignKey("jobs.id"), nullable=False),
    Column("fence", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("sha256", Sha256, ForeignKey("blobs.sha256"), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    _time("created_at"),
    Index(None, "job_id", "epoch", "step", "id"),
    Index(None, "sha256"),
)

models = Table(
    "models",
    metadata,
    Column("id", Id, primary_key=True),
    _project(),
    Column("name", String(64), nullable=False),
    _counter("last_version"),
    _counter("last_seq"),
    _counter("revision"),
    _time("created_at"),
    _time("updated_at"),
    UniqueConstraint("project_id", "name"),
    Index(None, "project_id", "id"),
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("id", Id, primary_key=True),
    _project(),
    Column("model_id", Id, ForeignKey("models.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("job_id", Id, ForeignKey("jobs.id"), nullable=False),
    Column("dataset_id", Id, ForeignKey("datasets.id")),
    _json("metrics", nullable=False),
    _json("manifest", nullable=False),
    _time("created_at"),
    _time("yanked_at", nullable=True),
    Column("yank_reason", Text),
    UniqueConstraint("model_id", "version"),
    # A job publishes at most one version, whatever its attempts do.
    UniqueConstraint("job_id"),
)

files = Table(
    "files",
    metadata,
    # The id of a dataset, model version, job or example set; several owner tables, hence no foreign key.
    Column("owner_id", Id, primary_key=True),
    Column("role", String(16), primary_key=True),
    Column("path", String(512), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", Sha256, nullable=False),
    ForeignKeyConstraint(["sha256"], ["blobs.sha256"]),
    Index(None, "sha256"),
    CheckConstraint("role IN ('upload', 'canonical', 'artifact')", name="role"),
)

example_sets = Table(
    "example_sets",
    metadata,
    # Examples that some job has built, for others to begin with. Losing a row costs time, nothing else.
    Column("id", Id, primary_key=True),
    _project(),
    # sha256 of all that the examples depend on; see `reco_core.config.example_key`.
    Column("key", Sha256, nullable=False),
    # The content hash of the dataset that they were built from: they go with it.
    Column("data_hash", Sha256, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    _time("created_at"),
    _time("last_used_at"),
    UniqueConstraint("project_id", "key"),
    Index(None, "project_id", "data_hash"),
    Index(None, "last_used_at"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    # Who sent the key, to which address, and the key itself.
    Column("owner", String(64), primary_key=True),
    Column("route", String(512), primary_key=True),
    Column("key", String(255), primary_key=True),
    # sha256 of the body: the same key with another body is a mistake of the client.
    Column("fingerprint", Sha256, nullable=False),
    # The answer to give again; without a status the first request is still under way.
    Column("status", Integer),
    _json("headers"),
    Column("body", Text),
    _time("created_at"),
    _time("expires_at"),
    Index(None, "expires_at"),
)

service_keys = Table(
    "service_keys",
    metadata,
    # In the database because all API processes must sign with the same key, and it must outlive their machines.
    Column("name", String(32), primary_key=True),
    Column("value", Text, nullable=False),
    _time("created_at"),
)

counters = Table(
    "counters",
    metadata,
    # Sums over all processes and restarts, for /metrics: `labels` is canonical JSON.
    Column("name", String(64), primary_key=True),
    Column("labels", String(255), primary_key=True),
    Column("value", Double, nullable=False),
)

removals = Table(
    "removals",
    metadata,
    # What a policy has taken away from a job, dataset or model version that is still there: see `retention.KINDS`.
    Column("subject", Id, primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("reason", Text, nullable=False),
    _time("removed_at"),
)

duties = Table(
    "duties",
    metadata,
    # Work that one process at a time may do, and when it was last done.
    Column("name", String(32), primary_key=True),
    Column("owner", Text),
    _time("until", nullable=True),
    _time("done_at", nullable=True),
)
