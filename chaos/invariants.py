"""What must hold of the job tables at every moment, and between any two: docs/invariants.md in code.

The model check looks after each of its steps, the harness while processes are being killed. Both read one consistent
state, so a violation is never an artefact of looking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry import tables
from registry.job_rows import TRANSITIONS
from registry.records import TERMINAL

Row = Mapping[str, Any]
# Written without a new revision: nobody watches it.
UNWATCHED = frozenset({"published_at"})


@dataclass(frozen=True)
class Violation:
    """An invariant that does not hold: its name, of which job or model, and what was found."""

    invariant: str
    subject: str
    found: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.subject}: {self.found}"


@dataclass(frozen=True)
class Snapshot:
    """The rows of one moment; `events`, `attempts` and `checkpoints` by job, `versions` by model, in order."""

    jobs: Mapping[str, Row]
    events: Mapping[str, Sequence[Row]]
    attempts: Mapping[str, Sequence[Row]]
    checkpoints: Mapping[str, Sequence[Row]]
    models: Mapping[str, Row]
    versions: Mapping[str, Sequence[Row]]
    datasets: Mapping[str, Row]
    owners: frozenset[str]
    """Ids of all that own artifacts: versions and jobs."""


def snapshot(session: Session) -> Snapshot:
    """All that the invariants speak of, as it is in this transaction."""
    attempts, events, versions = tables.attempts, tables.events, tables.model_versions
    return Snapshot(
        jobs=_by_id(session, select(tables.jobs)),
        events=_grouped(session, select(events.c.subject, events.c.seq, events.c.type), "subject", "seq"),
        attempts=_grouped(session, select(attempts), "job_id", "number"),
        checkpoints=_grouped(session, select(tables.checkpoints), "job_id", "id"),
        models=_by_id(session, select(tables.models)),
        versions=_grouped(
            session,
            select(versions.c.id, versions.c.model_id, versions.c.version, versions.c.job_id),
            "model_id",
            "version",
        ),
        datasets=_by_id(
            session, select(tables.datasets.c.id, tables.datasets.c.status, tables.datasets.c.validation_job_id)
        ),
        owners=frozenset(
            session.execute(
                select(tables.files.c.owner_id).where(tables.files.c.role == "artifact").distinct()
            ).scalars()
        ),
    )


def _one_end(now: Snapshot) -> Iterator[tuple[str, str]]:
    for job_id, job in now.jobs.items():
        ends = [event["type"] for event in now.events[job_id] if event["type"].removeprefix("job.") in TERMINAL]
        if job["status"] in TERMINAL:
            if ends != [f"job.{job['status']}"] or now.events[job_id][-1]["type"] != ends[0]:
                yield job_id, f"{job['status']}, but its events end with {ends}"
            if job["finished_at"] is None or job["lease_until"] is not None:
                yield job_id, f"{job['status']} with finished_at {job['finished_at']}, lease {job['lease_until']}"
        elif ends or job["finished_at"] is not None:
            yield job_id, f"{job['status']}, but its events say {ends}"


def _one_live_attempt(now: Snapshot) -> Iterator[tuple[str, str]]:
    for job_id, job in now.jobs.items():
        live = [attempt for attempt in now.attempts[job_id] if attempt["outcome"] == "running"]
        if len(live) > (job["status"] == "running"):
            yield job_id, f"{len(live)} live attempts of a job that is {job['status']}"
        elif live and live[0]["fence"] != job["fence"]:
            yield job_id, f"the live attempt has the fence {live[0]['fence']}, the job {job['fence']}"


def _attempts_in_order(now: Snapshot) -> Iterator[tuple[str, str]]:
    for job_id, job in now.jobs.items():
        numbers = [attempt["number"] for attempt in now.attempts[job_id]]
        if numbers != list(range(1, job["attempt"] + 1)):
            yield job_id, f"attempts {numbers}, and the job counts {job['attempt']}"
        fences = [attempt["fence"] for attempt in now.attempts[job_id]]
        if fences != sorted(set(fences)) or any(fence > job["fence"] for fence in fences):
            yield job_id, f"fences {fences} of its attempts, {job['fence']} of the job"


def _results_are_of_the_last_fence(now: Snapshot) -> Iterator[tuple[str, str]]:
    made = {version["job_id"]: version["id"] for versions in now.versions.values() for version in versions}
    for job_id, job in now.jobs.items():
        good = [attempt["fence"] for attempt in now.attempts[job_id] if attempt["outcome"] == "succeeded"]
        if good != ([job["fence"]] if job["status"] == "succeeded" else []):
            yield job_id, f"{job['status']} under fence {job['fence']}, and attempts succeeded under {good}"
        if job["status"] != "succeeded" and (job_id in made or job_id in now.owners or job["result"] is not None):
            yield job_id, f"{job['status']}, and there is a result"
        if any(checkpoint["fence"] > job["fence"] for checkpoint in now.checkpoints[job_id]):
            yield job_id, "a checkpoint from a fence that nobody has had"


def _waiting_jobs_are_reachable(now: Snapshot) -> Iterator[tuple[str, str]]:
    for job_id, job in now.jobs.items():
        if job["status"] == "queued" and (
            job["cancel_requested_at"] is not None or job["attempts_without_progress"] > 0
        ):
            yield job_id, "queued, but no claim and no pass of the reaper would take it"
        if job["status"] == "running" and job["lease_until"] is None:
            yield job_id, "running without a lease: it never runs out"


def _attempts_are_bounded(now: Snapshot, limit: int) -> Iterator[tuple[str, str]]:
    for job_id, job in now.jobs.items():
        if not 0 <= job["attempts_without_progress"] <= limit:
            yield job_id, f"{job['attempts_without_progress']} attempts without progress; the limit is {limit}"
        code = (job["error"] or {}).get("code")
        if code == "worker_lost" and job["attempts_without_progress"] != limit:
            yield job_id, f"given up on after {job['attempts_without_progress']} attempts; the limit is {limit}"


def _events_without_gap(now: Snapshot) -> Iterator[tuple[str, str]]:
    for subject, row in {**now.jobs, **now.models}.items():
        seqs = [event["seq"] for event in now.events[subject]]
        if seqs != list(range(1, row["last_seq"] + 1)):
            yield subject, f"events {seqs[:50]}, and the row counts {row['last_seq']}"


def _versions_without_gap(now: Snapshot) -> Iterator[tuple[str, str]]:
    for model_id, row in now.models.items():
        numbers = [version["version"] for version in now.versions[model_id]]
        if numbers != list(range(1, row["last_version"] + 1)):
            yield model_id, f"versions {numbers}, and the model counts {row['last_version']}"
    jobs = Counter(version["job_id"] for versions in now.versions.values() for version in versions)
    for job_id in (job_id for job_id, count in jobs.items() if count > 1):
        yield job_id, "more than one version of one job"


def _datasets_get_their_verdict(now: Snapshot) -> Iterator[tuple[str, str]]:
    for dataset_id, dataset in now.datasets.items():
        status = now.jobs[dataset["validation_job_id"]]["status"]
        if (dataset["status"] == "validating") == (status in TERMINAL):
            yield dataset_id, f"{dataset['status']}, and its validation is {status}"


STATIC: Mapping[str, Callable[[Snapshot], Iterator[tuple[str, str]]]] = {
    "one-end": _one_end,
    "one-live-attempt": _one_live_attempt,
    "attempts-in-order": _attempts_in_order,
    "results-of-the-last-fence": _results_are_of_the_last_fence,
    "waiting-is-reachable": _waiting_jobs_are_reachable,
    "events-without-gap": _events_without_gap,
    "versions-without-gap": _versions_without_gap,
    "datasets-get-a-verdict": _datasets_get_their_verdict,
}
BETWEEN = ("ends-are-for-ever", "fences-only-rise", "allowed-moves", "no-unseen-change")
BOUNDED = "attempts-bounded"


@dataclass
class Ledger:
    """Looks at one snapshot after the other, and remembers what the last one showed."""

    max_attempts_without_progress: int = 3
    looks: int = 0
    _before: Snapshot | None = field(default=None, repr=False)

    def look(self, now: Snapshot) -> list[Violation]:
        """What does not hold of `now`, by itself and after the snapshot before."""
        self.looks += 1
        found = [Violation(name, *what) for name, check in STATIC.items() for what in check(now)]
        found += [Violation(BOUNDED, *what) for what in _attempts_are_bounded(now, self.max_attempts_without_progress)]
        if self._before is not None:
            for job_id, before in self._before.jobs.items():
                found += _between(job_id, before, now.jobs.get(job_id))
        self._before = now
        return found


def _between(job_id: str, before: Row, after: Row | None) -> Iterator[Violation]:
    if after is None:
        yield Violation("ends-are-for-ever", job_id, f"{before['status']}, and now the row is gone")
        return
    changed = sorted(name for name in before if before[name] != after[name] and name not in UNWATCHED)
    was, is_now = before["status"], after["status"]
    if was in TERMINAL and changed:
        yield Violation("ends-are-for-ever", job_id, f"was {was}, and then {', '.join(changed)} changed")
    elif was != is_now and is_now not in _reachable(was):
        yield Violation("allowed-moves", job_id, f"{was} became {is_now}")
    if any(after[name] < before[name] for name in ("fence", "attempt", "furthest_phase", "last_seq")):
        yield Violation("fences-only-rise", job_id, f"fence {before['fence']} became {after['fence']}")
    if changed and after["revision"] <= before["revision"]:
        yield Violation("no-unseen-change", job_id, f"{', '.join(changed)} changed under revision {after['revision']}")


def _reachable(status: Any) -> frozenset[Any]:
    """The statuses that `TRANSITIONS` lead to, in one step or more: between two looks there may be many."""
    found: set[Any] = set()
    todo = [status]
    while todo:
        new = set(TRANSITIONS[todo.pop()]) - found
        found |= new
        todo += new
    return frozenset(found)


def _by_id(session: Session, query: Any) -> dict[str, Row]:
    return {row["id"]: dict(row) for row in session.execute(query).mappings()}


class _Groups(dict[str, Sequence[Row]]):
    """Rows by key; a key without rows has none, and asking for it adds nothing."""

    def __missing__(self, key: str) -> Sequence[Row]:
        return ()


def _grouped(session: Session, query: Any, by: str, order: str) -> Mapping[str, Sequence[Row]]:
    found: dict[str, list[Row]] = {}
    for row in session.execute(query).mappings():
        found.setdefault(row[by], []).append(dict(row))
    return _Groups({key: sorted(rows, key=lambda row: row[order]) for key, rows in found.items()})
