"""`Client`: the verbs of the HTTP API, typed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import httpx

from app.client.bundles import require_inside
from app.client.downloads import ReceivedReport, download
from app.client.errors import Unreachable
from app.client.models import Answer, Attempt, Dataset, Event, Job, LogLine, Model, ModelVersion, Page
from app.client.transport import Transport
from app.client.uploads import CountingFile, SentReport, upload_file

Shape = TypeVar("Shape", bound=Answer)
LONG_POLL_SECONDS = 20
SHORTEST_PAUSE = 0.3  # between two polls where the service doesn't hold them
LOG_PAUSE = 1.0  # between two looks at a log that grows
PATIENCE = 60.0  # seconds without any answer before a wait gives up: a service may restart meanwhile


class Client:
    """A connection to one PocketRec service; use it as a context manager.

    Every method raises `ApiError` where the service says no and `Unreachable` where it doesn't answer.
    """

    def __init__(self, url: str, api_key: str | None = None, transport: httpx.BaseTransport | None = None) -> None:
        self.transport = Transport(url, api_key, transport)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()

    # Datasets

    def upload_dataset(
        self,
        path: Path,
        *,
        name: str | None = None,
        spec: Mapping[str, Any] | None = None,
        items: Path | None = None,
        users: Path | None = None,
        report: SentReport | None = None,
    ) -> Dataset:
        """Upload the log at `path`, streamed from disk; a folder goes as a zip.

        Args:
            path: file or folder.
            name: how to call it; by default the file's name.
            spec: format, mapping and so on, where detection should be overridden.
            items: the item table, where it is a file of its own.
            users: the user table, likewise.
            report: called with (bytes sent, bytes in all).

        Raises:
            FileNotFoundError: there is nothing at `path`.
        """
        fields = {"name": name or path.resolve().name}
        for key, value in (spec or {}).items():
            fields[key] = value if isinstance(value, str) else json.dumps(value)
        with ExitStack() as stack:
            source = stack.enter_context(upload_file(path))
            counting = CountingFile(stack.enter_context(source.open("rb")), source.stat().st_size, report)
            files: dict[str, Any] = {"file": (source.name, counting, "application/octet-stream")}
            for part, table in (("items", items), ("users", users)):
                if table is not None:
                    files[part] = (table.name, stack.enter_context(table.open("rb")), "application/octet-stream")
            timeout = httpx.Timeout(600.0, connect=5.0)
            answer = self.transport.request("POST", "/v1/datasets", data=fields, files=files, timeout=timeout)
        return Dataset.model_validate(answer.json())

    def create_dataset(
        self,
        *,
        builtin: str | None = None,
        url: str | None = None,
        name: str | None = None,
        spec: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Dataset:
        """Have the service fetch a log: one of its built-in ones, or one from a URL where it allows that."""
        given = {"builtin": builtin, "url": url, "name": name, "labels": labels}
        body = {**(spec or {}), **{key: value for key, value in given.items() if value is not None}}
        return Dataset.model_validate(self.transport.request("POST", "/v1/datasets", json=body).json())

    def builtin_datasets(self) -> list[dict[str, Any]]:
        """What the service can fetch by name: `{name, title, bytes, users, items, interactions, licence, url}`."""
        found: list[dict[str, Any]] = self.transport.request("GET", "/v1/builtin_datasets").json()["data"]
        return found

    def dataset_preview(self, dataset_id: str, rows: int = 20) -> dict[str, Any]:
        """The first rows as they were understood, and of an invalid dataset its first lines."""
        path, parameters = f"/v1/datasets/{dataset_id}/preview", {"limit": rows}
        preview: dict[str, Any] = self.transport.request("GET", path, params=parameters).json()
        return preview

    def update_dataset(
        self, dataset_id: str, *, name: str | None = None, labels: Mapping[str, str | None] | None = None
    ) -> Dataset:
        """Give a dataset another name, or set labels (None removes one); the others stay."""
        body = {key: value for key, value in {"name": name, "labels": labels}.items() if value is not None}
        return Dataset.model_validate(self.transport.request("PATCH", f"/v1/datasets/{dataset_id}", json=body).json())

    def delete_dataset(self, dataset_id: str) -> None:
        """Delete a dataset that no waiting or running job needs."""
        self.transport.request("DELETE", f"/v1/datasets/{dataset_id}")

    def dataset(self, dataset_id: str) -> Dataset:
        """One dataset."""
        return self._one(f"/v1/datasets/{dataset_id}", Dataset)

    def datasets(self, limit: int = 20) -> list[Dataset]:
        """The newest datasets first, at most `limit`."""
        return self._many("/v1/datasets", Dataset, limit)

    def dataset_report(self, dataset_id: str) -> dict[str, Any]:
        """What was read: format, mapping, rows in, accepted and rejected by reason, examples with line numbers."""
        report: dict[str, Any] = self.transport.request("GET", f"/v1/datasets/{dataset_id}/report").json()
        return report

    def wait_for_dataset(self, dataset_id: str) -> Dataset:
        """The dataset once it is `ready` or `invalid`."""
        for answer in self._poll(f"/v1/datasets/{dataset_id}"):
            dataset = Dataset.model_validate(answer)
            if dataset.status != "validating":
                return dataset
        raise AssertionError("polling ends only by an error")

    # Jobs

    def submit_job(
        self,
        dataset_id: str,
        *,
        preset: str | None = None,
        config: Mapping[str, Any] | None = None,
        model: str | None = None,
        metadata: Mapping[str, str] | None = None,
        base_version: str | None = None,
    ) -> Job:
        """Queue a training job on a dataset.

        Args:
            base_version: a published version, such as `films@3`, whose weights training begins with. Without `preset`
                the config is its, and `config` what is to differ from it.
        """
        return self.create_job(
            "train",
            dataset_id=dataset_id,
            preset=preset,
            config=config,
            model=model,
            metadata=metadata,
            base_version=base_version,
        )

    def submit_examples(
        self,
        dataset_id: str,
        *,
        preset: str | None = None,
        config: Mapping[str, Any] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Job:
        """Queue the writing of a dataset's examples, as TFRecords with vocabularies; they become the job's files."""
        return self.create_job("examples", dataset_id=dataset_id, preset=preset, config=config, metadata=metadata)

    def submit_export(
        self,
        model: str,
        version: int,
        *,
        checkpoint: str | None = None,
        config: Mapping[str, Any] | None = None,
        publish_as: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Job:
        """Queue the making of a new version from the weights of a published one, without training.

        Args:
            model: name of the published model.
            version: its version.
            checkpoint: which of its `weights`; by default the best.
            config: what is to differ, such as `{"export": {"top_k": 20}}`.
            publish_as: the new version's model; by default the same.
            metadata: notes on the job.
        """
        base = _base(model, version, checkpoint)
        return self.create_job("export", base=base, config=config, model=publish_as, metadata=metadata)

    def submit_evaluation(
        self,
        model: str,
        version: int,
        *,
        dataset_id: str | None = None,
        config: Mapping[str, Any] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Job:
        """Queue the evaluation of a published version, by default on its own dataset; the report is the job's file."""
        base = _base(model, version)
        return self.create_job("evaluate", base=base, dataset_id=dataset_id, config=config, metadata=metadata)

    def create_job(self, type: str, **fields: Any) -> Job:  # noqa: A002
        """Queue a job of any type, with the fields of `POST /v1/jobs`; None is as good as absent."""
        return Job.model_validate(self.transport.request("POST", "/v1/jobs", json=_body(type, fields)).json())

    def validate_job(
        self,
        dataset_id: str | None = None,
        *,
        preset: str | None = None,
        config: Mapping[str, Any] | None = None,
        type: str = "train",  # noqa: A002
        base: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What a job would come to, without queueing it: `{config, estimate, limits, warnings, ...}`.

        Raises:
            ApiError: the one that queueing it would raise, such as `resource_estimate_exceeded`.
        """
        body = _body(type, {"dataset_id": dataset_id, "base": base, "preset": preset, "config": config})
        answer: dict[str, Any] = self.transport.request("POST", "/v1/jobs:validate", json=body).json()
        return answer

    def job(self, job_id: str) -> Job:
        """One job."""
        return self._one(f"/v1/jobs/{job_id}", Job)

    def jobs(
        self,
        limit: int = 20,
        status: str | None = None,
        metadata: Mapping[str, str] | None = None,
        type: str | None = "train",  # noqa: A002
    ) -> list[Job]:
        """The newest jobs first, at most `limit`: of one type, or with None of all; with all of `metadata`."""
        asked = {"type": type, "status": status}
        asked |= {f"metadata[{key}]": value for key, value in (metadata or {}).items()}
        return self._many("/v1/jobs", Job, limit, {key: value for key, value in asked.items() if value is not None})

    def cancel_job(self, job_id: str) -> Job:
        """Ask a job to stop; it keeps its best checkpoint."""
        return Job.model_validate(self.transport.request("POST", f"/v1/jobs/{job_id}:cancel").json())

    def retry_job(self, job_id: str) -> Job:
        """Try a failed or cancelled job again: a new job, which goes on from the old one's checkpoint."""
        return Job.model_validate(self.transport.request("POST", f"/v1/jobs/{job_id}:retry").json())

    def attempts(self, job_id: str) -> list[Attempt]:
        """The tries of a job, the first one first."""
        answer = self.transport.request("GET", f"/v1/jobs/{job_id}/attempts").json()
        return [Attempt.model_validate(item) for item in answer["data"]]

    def log(self, job_id: str, *, after: int = 0, tail: int | None = None, attempt: int | None = None) -> list[LogLine]:
        """The lines of a job's log, oldest first: all with an id above `after`, or only the last `tail`."""
        asked: dict[str, Any] = {} if attempt is None else {"attempt": attempt}
        path = f"/v1/jobs/{job_id}/logs"
        if tail is not None:
            return [LogLine.model_validate(item) for item in self._page(path, {**asked, "tail": tail}).data]
        found: list[LogLine] = []
        while True:
            page = self._page(path, {**asked, "after": found[-1].id if found else after, "limit": 1000})
            found += [LogLine.model_validate(item) for item in page.data]
            if not page.has_more or not page.data:
                return found

    def follow_log(self, job_id: str, *, tail: int | None = None, attempt: int | None = None) -> Iterator[LogLine]:
        """The lines of a job's log, and each new one as it comes, until the job is finished."""
        finished = self.job(job_id).finished
        lines = self.log(job_id, tail=tail, attempt=attempt)
        last = 0
        while True:
            for line in lines:
                last = line.id
                yield line
            if finished:
                return
            time.sleep(LOG_PAUSE)
            finished = self.job(job_id).finished  # before the lines: those of a finished job are all there
            lines = self.log(job_id, after=last, attempt=attempt)

    def events(self, job_id: str, after: int = 0) -> list[Event]:
        """All events of a job with a `seq` above `after`, oldest first."""
        found: list[Event] = []
        while True:
            page = self._page(f"/v1/jobs/{job_id}/events", {"after": found[-1].seq if found else after})
            found += [Event.model_validate(item) for item in page.data]
            if not page.has_more or not page.data:
                return found

    def watch_job(self, job_id: str, hold: int = LONG_POLL_SECONDS) -> Iterator[Job]:
        """The job now and after every change, until it is finished.

        Outlives restarts of the service of up to a minute. The service answers at once when something has happened to
        the job, and after `hold` seconds otherwise; a short `hold` also shows progress within a phase.
        """
        for answer in self._poll(f"/v1/jobs/{job_id}", hold):
            job = Job.model_validate(answer)
            yield job
            if job.finished:
                return

    # Models

    def models(self, limit: int = 20) -> list[Model]:
        """The models, the newest name first, at most `limit`."""
        return self._many("/v1/models", Model, limit)

    def model(self, name: str) -> Model:
        """One model."""
        return self._one(f"/v1/models/{name}", Model)

    def model_versions(self, name: str, limit: int = 100, yanked: bool | None = None) -> list[ModelVersion]:
        """The versions of a model, newest first, at most `limit`; only those (not) yanked, if `yanked` says so."""
        asked = {} if yanked is None else {"yanked": yanked}
        return self._many(f"/v1/models/{name}/versions", ModelVersion, limit, asked)

    def model_version(self, name: str, version: int) -> ModelVersion:
        """One version with its files."""
        return self._one(f"/v1/models/{name}/versions/{version}", ModelVersion)

    def compare_versions(self, name: str, versions: Sequence[int]) -> dict[str, Any]:
        """Versions side by side; the first is the base that the others are compared with."""
        asked = {"versions": ",".join(map(str, versions))}
        # The service may have to compute for as long as a minute.
        timeout = httpx.Timeout(120.0, connect=5.0)
        answer = self.transport.request("GET", f"/v1/models/{name}:compare", params=asked, timeout=timeout)
        compared: dict[str, Any] = answer.json()
        return compared

    def yank_version(self, name: str, version: int, reason: str | None = None) -> ModelVersion:
        """Withdraw a version: it is the latest no more, and its files stay."""
        path = f"/v1/models/{name}/versions/{version}:yank"
        return ModelVersion.model_validate(self.transport.request("POST", path, json={"reason": reason}).json())

    def unyank_version(self, name: str, version: int) -> ModelVersion:
        """Take back that a version was withdrawn."""
        path = f"/v1/models/{name}/versions/{version}:unyank"
        return ModelVersion.model_validate(self.transport.request("POST", path).json())

    def download(self, path: str, target: Path, sha256: str | None = None, report: ReceivedReport | None = None) -> str:
        """Fetch one file, resumable and verified: see `app.client.downloads.download`."""
        return download(self.transport, path, target, sha256, report)

    def download_files(
        self, job: Job, folder: Path, paths: Sequence[str] | None = None, report: ReceivedReport | None = None
    ) -> list[Path]:
        """Fetch what a job has made into `folder`, each file under its path there; those in `paths`, or all.

        Each appears once its sha256 is right. `report` is called with (bytes received, bytes in all) of each file.

        Raises:
            BundleInvalid: a path leads out of the folder.
        """
        artifacts = () if job.result is None else job.result.artifacts
        wanted = [artifact for artifact in artifacts if paths is None or artifact.path in paths]
        for artifact in wanted:
            require_inside(artifact.path, job.id)
        for artifact in wanted:
            self.download(artifact.url, folder / artifact.path, artifact.sha256, report)
        return [folder / artifact.path for artifact in wanted]

    def download_bundle(self, name: str, version: int, target: Path, report: ReceivedReport | None = None) -> str:
        """Fetch a version's `bundle.zip`; its sha256."""
        return self.download(f"/v1/models/{name}/versions/{version}/bundle.zip", target, None, report)

    # Plumbing

    def ready(self) -> bool:
        """Whether the service answers and can do its work."""
        return self.transport.request("GET", "/readyz").status_code == 200

    def _one(self, path: str, model: type[Shape]) -> Shape:
        return model.model_validate(self.transport.request("GET", path).json())

    def _page(self, path: str, parameters: Mapping[str, Any]) -> Page:
        return Page.model_validate(self.transport.request("GET", path, params=dict(parameters)).json())

    def _many(
        self, path: str, model: type[Shape], limit: int, parameters: Mapping[str, Any] | None = None
    ) -> list[Shape]:
        found: list[Shape] = []
        cursor: dict[str, Any] = {}
        while len(found) < limit:
            asked = {**(parameters or {}), **cursor, "limit": min(limit - len(found), 100)}
            page = self._page(path, asked)
            found += [model.model_validate(item) for item in page.data]
            if not page.has_more or page.next_cursor is None:
                break
            cursor = {"after": page.next_cursor}
        return found

    def _poll(self, path: str, hold: int = LONG_POLL_SECONDS) -> Iterator[dict[str, Any]]:
        """The resource at `path` now and after each change, for ever: by ETag, and by long poll where it is offered."""
        etag: str | None = None
        parameters: dict[str, Any] = {}
        last_answer = time.monotonic()
        while True:
            began = time.monotonic()
            try:
                headers = {"If-None-Match": etag} if etag else {}
                response = self.transport.request("GET", path, params=parameters, headers=headers)
            except Unreachable:
                if time.monotonic() - last_answer > PATIENCE:
                    raise
                time.sleep(1.0)
                continue
            last_answer = time.monotonic()
            if response.status_code != 304:
                etag = response.headers.get("ETag")
                body: dict[str, Any] = response.json()
                if "last_seq" in body:
                    parameters = {"wait": hold, "after": body["last_seq"]}
                yield body
            if last_answer - began < SHORTEST_PAUSE:  # the answer came at once: don't hammer
                time.sleep(SHORTEST_PAUSE if response.status_code != 304 else 2 * SHORTEST_PAUSE)


def _body(type_: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a job; of `fields` those that are given."""
    return {"type": type_} | {key: value for key, value in fields.items() if value is not None}


def _base(model: str, version: int, checkpoint: str | None = None) -> dict[str, Any]:
    return {"model": model, "version": version} | ({} if checkpoint is None else {"checkpoint": checkpoint})
