"""Runs one attempt of one claimed job: inputs, a fresh trainer process, records under the fence, results.

The supervisor is where all decisions about an attempt are made; the trainer only trains.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from reco_core.durations import duration
from reco_core.errors import ExamplesUnreadable, InsufficientStorage, is_disk_full
from registry import checkpoints, jobs, sweeping
from registry.errors import BlobCorrupt, BlobMissing, LeaseLost, RegistryError
from worker import attempt_folder, example_sets, log_lines, outputs, parse_limits
from worker.lease import Lease
from worker.process import TrainerProcess, describe_death
from worker.put_files import put_held
from worker.recorder import Recorder
from worker.warden import TICK_SECONDS, Stop, Warden

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from registry.records import Claim, Job
    from worker.runtime import Runtime

log = structlog.get_logger(__name__)

_DISK_FULL = InsufficientStorage(
    "a disk of the service is full: of the worker's state_dir, or of the blob store. Free some space and try again; "
    "the checkpoints that the job has kept stay"
).as_dict()
EXIT_SECONDS = 5.0  # for a trainer that has no more to say


def run_attempt(runtime: Runtime, claim: Claim) -> bool:
    """Run one attempt to its end and record how it ended. Returns whether the job should be claimed again at once.

    Nothing is raised: whatever goes wrong is this attempt's fate. After LeaseLost nothing is written.
    """
    request_id = claim.job.request_id  # leads from here to the line of the API's log
    with structlog.contextvars.bound_contextvars(job_id=claim.job_id, attempt=claim.attempt, request_id=request_id):
        log.info("attempt_started", type=claim.job.type, fence=claim.fence)
        settings = runtime.settings
        lease = Lease(
            runtime.database,
            claim,
            heartbeat_seconds=settings.heartbeat_seconds,
            lease_seconds=settings.lease_seconds,
        )
        try:
            with lease:
                try:
                    return _Attempt(runtime, lease).run()
                except (LeaseLost, KeyboardInterrupt, SystemExit):
                    raise
                except Exception as error:
                    if is_disk_full(error):
                        runtime.disk_gate.shut()
                        return _fail(lease, _DISK_FULL)
                    log.exception("attempt_broke")
                    # Unless it is the trainer's fault, a store may be away, and would be for attempts made at once.
                    pause = 0 if isinstance(error, outputs.OutputsCorrupt) else settings.reaper_seconds
                    return _lost(runtime, lease, _internal_error(error), pause_seconds=pause)
        except LeaseLost as error:
            log.warning("lease_lost", reason=error.message)
        except Exception:
            # Not even its end could be recorded; the lease runs out and the reaper sees to it.
            log.exception("attempt_abandoned")
        return False


class _Attempt:
    def __init__(self, runtime: Runtime, lease: Lease) -> None:
        self._runtime = runtime
        self._settings = runtime.settings
        self._lease = lease
        self._job = lease.claim.job
        self._limits = parse_limits.of(self._job.type, self._settings)
        self._stop: Stop | None = None
        self._inputs: attempt_folder.Inputs | None = None

    def run(self) -> bool:
        with attempt_folder.attempt_folder(self._runtime.attempts_dir, self._lease.claim) as folder:
            folder = folder.resolve()
            with Warden(self._runtime, self._lease, self._limits, folder, self._give_up) as warden:
                return self._run(folder, warden)

    def _run(self, folder: Path, warden: Warden) -> bool:
        try:
            inputs = attempt_folder.prepare(
                folder, self._lease, self._runtime.database, self._runtime.blobs, self._settings
            )
        except (BlobMissing, BlobCorrupt) as error:
            return self._without_input(error)
        except RegistryError as error:
            return self._fail({"code": error.code, "message": error.message, "errors": []})
        if warden.stop in (Stop.CANCEL, Stop.SHUTDOWN):
            return self._give_up(warden.stop)
        self._inputs = inputs
        recorder = Recorder(self._lease, self._runtime.blobs, folder, self._keep_examples, self._forget)
        recorder.say(self._start_lines())
        process = TrainerProcess(self._runtime.trainer, folder, self._runtime.settings.trainer_nice)
        warden.take(process)
        try:
            log.info("trainer_started", pid=process.pid, resumes=inputs.resumes)
            self._listen(process, recorder)
            status = process.wait(min(EXIT_SECONDS, warden.seconds_to_kill()))
        finally:
            warden.leave(publishes=recorder.result is not None)
            ended = process.end()
        if status is None:
            # Killed only because its exit took long, as on a busy machine: a result that it has told of is whole.
            status = 0 if recorder.result is not None else ended
        self._stop = warden.stop
        log.info("trainer_ended", status=status, stop=self._stop.value if self._stop else None)
        recorder.flush(now=True)
        return self._conclude(recorder, status, folder, process)

    def _keep_examples(self, folder: Path) -> None:
        wanted = None if self._inputs is None else self._inputs.examples
        if wanted is not None:
            limit = self._settings.examples_cache_bytes
            example_sets.keep(wanted, self._lease, self._runtime.blobs, folder, limit)

    def _forget(self, sha256: str) -> None:
        """Remove a checkpoint that nobody goes on from any more: of a large model they would soon fill the store."""
        try:
            sweeping.remove_unused(self._runtime.database, self._runtime.blobs, among=[sha256])
        except Exception as error:  # noqa: BLE001 - the next sweep removes it
            log.warning("checkpoint_not_removed", error=repr(error)[:300])

    def _start_lines(self) -> list[str]:
        def lines(session: Session) -> list[str]:
            checkpoint = checkpoints.latest_checkpoint(session, self._job.id)
            return log_lines.started(self._lease.claim, jobs.list_attempts(session, self._job.id), checkpoint)

        return self._lease.read(lines)

    def _listen(self, process: TrainerProcess, recorder: Recorder) -> None:
        """Record messages until the trainer has no more to say. Raises LeaseLost."""
        while True:
            try:
                message = process.next_message(TICK_SECONDS)
            except EOFError:
                return
            if message is not None:
                recorder.take(message)
            if message is None or process.backlog() == 0:
                recorder.flush()
            self._lease.check()

    def _conclude(self, recorder: Recorder, status: int, folder: Path, process: TrainerProcess) -> bool:
        if self._stop is Stop.CANCEL:
            return self._cancelled()
        if recorder.error is not None:
            if recorder.error.code == "internal_error":
                recorder.say(log_lines.stderr(process.log_tail(), folder))
                recorder.flush(now=True)
            return self._typed_error(recorder.error.as_dict(), folder, process)
        if recorder.result is not None and status == 0:
            return self._publish(folder)
        refusal = parse_limits.blame(
            self._job.type,
            self._limits,
            status,
            over_memory=self._stop is Stop.MEMORY,
            over_time=self._stop is Stop.DEADLINE,
            log_tail=process.log_tail(),
        )
        if refusal is not None and self._stop is not Stop.SHUTDOWN:
            return self._refuse_dataset(refusal, folder)
        if self._stop is Stop.DEADLINE:
            limit = duration(self._settings.deadline_seconds)
            message = f"the attempt took longer than {limit} (deadline_seconds); raise the limit or train less"
            return self._fail({"code": "deadline_exceeded", "message": message, "errors": []})
        if self._stop is Stop.DISK:
            return self._fail(_too_much_disk(self._settings.attempt_disk_bytes or 0))
        if self._stop is Stop.SHUTDOWN:
            return self._release()
        death = describe_death(status, over_limit=self._stop is Stop.MEMORY)
        tail = process.log_tail()
        log.warning("trainer_lost", **death, stderr=tail)
        recorder.say(log_lines.stderr(tail, folder))
        recorder.flush(now=True)
        return _lost(self._runtime, self._lease, death)

    def _publish(self, folder: Path) -> bool:
        if self._job.type != "validate_dataset":
            self._lease.write(lambda session, claim: jobs.set_phase(session, claim, "publish"))
        record = put_held(self._lease, lambda: self._store(folder / "outputs"))
        if self._lease.cancel_requested.is_set():
            return self._cancelled()
        # Blobs may be second names of these files. Taking a name away changes a file's time of change, which a download
        # that begins as soon as the job has succeeded would take for a changed file: so it comes first.
        shutil.rmtree(folder / "outputs", ignore_errors=True)
        self._lease.write(log_lines.then(record, [self._ended("succeeded")]))
        log.info("job_succeeded")
        return False

    def _store(self, made: Path) -> outputs.Record:
        if self._job.type == "validate_dataset":
            return outputs.store_dataset(made, self._runtime.blobs)
        if self._job.type in ("examples", "evaluate"):
            return outputs.store_files(made / "files", self._runtime.blobs)
        return outputs.store_bundle(made, self._job.model, self._runtime.blobs)

    def _typed_error(self, error: dict[str, Any], folder: Path, process: TrainerProcess) -> bool:
        if error["code"] == "internal_error":
            log.error("trainer_broke", message=error["message"], stderr=process.log_tail())
        elif error["code"] == ExamplesUnreadable.code and self._inputs is not None and self._inputs.are_there:
            return self._without_kept_examples(error)
        elif self._job.type == "validate_dataset" and error["code"] != InsufficientStorage.code:
            return self._refuse_dataset(error, folder)
        return self._fail(error)

    def _without_input(self, error: BlobCorrupt | BlobMissing) -> bool:
        """What is damaged or gone is asked for again, perhaps by another machine; then the job fails."""
        told = {"code": error.code, "message": error.message, "errors": []}
        if self._job.attempts_without_progress >= self._settings.max_attempts_without_progress:
            return self._fail(told)
        return _lost(self._runtime, self._lease, told, pause_seconds=self._settings.reaper_seconds)

    def _without_kept_examples(self, error: dict[str, Any]) -> bool:
        """What was kept is no good to the trainer: the next attempt gets the dataset instead."""
        if self._inputs is not None and self._inputs.examples is not None:
            example_sets.drop(self._inputs.examples, self._runtime.database)
        return _lost(self._runtime, self._lease, error)

    def _refuse_dataset(self, error: dict[str, Any], folder: Path) -> bool:
        line = log_lines.ended(self._lease.claim.attempt, "found the dataset invalid", error)
        invalid = put_held(self._lease, lambda: outputs.invalid_dataset(folder / "outputs", error, self._runtime.blobs))
        self._lease.write(log_lines.then(invalid, [line]))
        log.info("dataset_invalid", code=error["code"])
        return False

    def _fail(self, error: dict[str, Any]) -> bool:
        if error["code"] == InsufficientStorage.code:
            self._runtime.disk_gate.shut()
        return _fail(self._lease, error)

    def _cancelled(self) -> bool:
        self._lease.write(log_lines.then(jobs.cancelled, [self._ended("cancelled, as it was asked to")]))
        log.info("job_cancelled")
        return False

    def _give_up(self, why: Stop) -> bool:
        return self._cancelled() if why is Stop.CANCEL else self._release()

    def _ended(self, how: str) -> str:
        return log_lines.ended(self._lease.claim.attempt, how)

    def _release(self) -> bool:
        line = self._ended("given back: its worker shuts down, another one goes on")
        job = self._lease.write(log_lines.then(jobs.release, [line]))
        log.info("job_released", status=job.status)
        if not job.is_terminal:
            self._runtime.nudge([job.id], job.queue)
        return False


def _fail(lease: Lease, error: dict[str, Any]) -> bool:
    line = log_lines.ended(lease.claim.attempt, "failed", error)
    lease.write(log_lines.then(lambda session, claim: jobs.fail(session, claim, error), [line]))
    log.info("job_failed", code=error["code"], message=error["message"])
    return False


def _lost(runtime: Runtime, lease: Lease, error: dict[str, Any], *, pause_seconds: float = 0) -> bool:
    """The attempt is lost: the job goes on with another one, unless too many in a row got no further."""
    limit = runtime.settings.max_attempts_without_progress

    def record(session: Session, claim: Claim) -> Job:
        return jobs.attempt_lost(
            session, claim, error, max_attempts_without_progress=limit, pause_seconds=pause_seconds
        )

    job = lease.write(log_lines.then(record, [log_lines.ended(lease.claim.attempt, "lost", error)]))
    log.warning("attempt_lost", code=error["code"], status=job.status, without_progress=job.attempts_without_progress)
    return not job.is_terminal and pause_seconds == 0


def _too_much_disk(limit: int) -> dict[str, Any]:
    # Another attempt would end the same way, so there is none.
    message = (
        f"the attempt's folder took more than {limit:,} bytes of the worker's disk (attempt_disk_bytes); keep fewer "
        "checkpoints, make the model smaller, write no TFRecords, or raise the limit"
    )
    return {"code": "disk_limit_exceeded", "message": message, "errors": []}


def _internal_error(error: Exception) -> dict[str, Any]:
    return {
        "code": "internal_error",
        "message": f"unexpected {type(error).__name__} in the worker; its log has the details",
        "errors": [],
    }
