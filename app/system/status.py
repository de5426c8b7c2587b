"""`GET /v1/status`: what waits and runs in each queue, and the workers that are known of."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.dependencies import Wired
from app.responses import ok, problems
from app.security import Asker
from registry import backlog, duties, queues
from registry.backlog import BusyWorker, LiveJobs
from registry.database import now

router = APIRouter(tags=["system"])


class QueueView(BaseModel):
    """A queue now."""

    name: str
    waiting: int = Field(description="Jobs that a worker may take.")
    running: int = Field(description="Jobs that a worker holds.")
    oldest_seconds: float | None = Field(description="For how long the first of those that wait does; null: none.")
    looked_at: datetime | None = Field(
        description="When a worker last looked through this queue, as each does every POCKETREC_REAPER_SECONDS; null: "
        "none ever has."
    )


class HeldJobView(BaseModel):
    """A job that a worker is at."""

    id: str
    type: str
    phase: str | None
    attempt: int


class WorkerView(BaseModel):
    """A worker that holds jobs now. Of one that is idle no name is known, only that its queues were looked through."""

    name: str = Field(description="Its machine and process, `host:pid`.")
    seen_at: datetime = Field(description="When it last wrote something, as it does with each heartbeat.")
    busy: int = Field(description="How many jobs it holds.")
    jobs: list[HeldJobView] = Field(description="Those of them that are the asker's.")


class StatusView(BaseModel):
    """The service's queues and workers, in one state of the database, at `now`."""

    now: datetime
    queues: list[QueueView]
    workers: list[WorkerView]


_EXAMPLE = {
    "now": "2026-01-31T12:01:20.000000Z",
    "queues": [
        {
            "name": "train",
            "waiting": 2,
            "running": 1,
            "oldest_seconds": 12.4,
            "looked_at": "2026-01-31T12:01:02.000000Z",
        },
        {
            "name": "validate",
            "waiting": 0,
            "running": 0,
            "oldest_seconds": None,
            "looked_at": "2026-01-31T12:01:02.000000Z",
        },
    ],
    "workers": [
        {
            "name": "trainer-1:4711",
            "seen_at": "2026-01-31T12:01:18.000000Z",
            "busy": 1,
            "jobs": [{"id": "job_0199f0c3b1d27f4aa1b2c3d4e5f60718", "type": "train", "phase": "train", "attempt": 1}],
        }
    ],
}


@router.get("/v1/status", responses={**ok("Queues and workers.", _EXAMPLE), **problems()})
def get_status(services: Wired, principal: Asker) -> StatusView:
    """What waits and runs in each queue, when a worker last looked through it, and which workers are at work."""
    with services.database.read() as session:
        moment = now(session)
        live = backlog.live(session)
        workers = backlog.busy_workers(session)
        looks = {name: duties.done_at(session, duties.look_through(name)) for name in queues.ALL}
    names = [*queues.ALL, *sorted({jobs.queue for jobs in live} - {*queues.ALL})]
    return StatusView(
        now=moment,
        queues=[_queue(name, live, looks.get(name)) for name in names],
        workers=[_worker(worker, principal.project) for worker in workers],
    )


def _queue(name: str, live: list[LiveJobs], looked_at: datetime | None) -> QueueView:
    mine = [jobs for jobs in live if jobs.queue == name]
    waiting = [jobs for jobs in mine if jobs.waiting]
    return QueueView(
        name=name,
        waiting=sum(jobs.count for jobs in waiting),
        running=sum(jobs.count for jobs in mine if not jobs.waiting),
        oldest_seconds=max((jobs.oldest_seconds for jobs in waiting), default=None),
        looked_at=looked_at,
    )


def _worker(worker: BusyWorker, project: str) -> WorkerView:
    jobs = [
        HeldJobView(id=job.id, type=job.type, phase=job.phase, attempt=job.attempt)
        for job in worker.jobs
        if job.project_id == project
    ]
    return WorkerView(name=worker.name, seen_at=worker.seen_at, busy=len(worker.jobs), jobs=jobs)
