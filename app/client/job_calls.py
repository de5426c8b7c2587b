"""The calls of `Client` about jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from app.client.calls import LONG_POLL_SECONDS, Calls
from app.client.models import Attempt, Event, Job, LogLine

LOG_PAUSE = 1.0  # between two looks at a log that grows


class JobCalls(Calls):
    """Queue, watch and steer jobs."""

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


def _body(type_: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a job; of `fields` those that are given."""
    return {"type": type_} | {key: value for key, value in fields.items() if value is not None}


def _base(model: str, version: int, checkpoint: str | None = None) -> dict[str, Any]:
    return {"model": model, "version": version} | ({} if checkpoint is None else {"checkpoint": checkpoint})
