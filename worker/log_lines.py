"""What a job's own log says of an attempt, for the person who owns the job."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from registry import jobs

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from registry.records import Attempt, Checkpoint, Claim

T = TypeVar("T")
MAX_STDERR_LINES = 40
_HIDDEN = "***"
# Libraries put addresses and settings into their messages.
_CREDENTIALS_IN_URL = re.compile(r"(?<=://)[^/\s@]+(?=@)")
_NAMED_SECRET = re.compile(
    r"(?i)(\b[\w-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|authorization)\b[\"']?\s*[=:]\s*[\"']?)"
    r"(?:bearer\s+)?[^\s\"',;]+"
)


def then(work: Callable[[Session, Claim], T], lines: Sequence[str]) -> Callable[[Session, Claim], T]:
    """`work`, with these lines written in the same transaction, before the claim may end."""

    def write(session: Session, claim: Claim) -> T:
        jobs.append_log(session, claim, lines)
        return work(session, claim)

    return write


def started(claim: Claim, attempts: Sequence[Attempt], checkpoint: Checkpoint | None) -> list[str]:
    """Who works on the job now, from where, and what became of an attempt that could not say so itself."""
    lines = [
        f"attempt {attempt.number} was lost: its worker {attempt.worker} fell silent"
        for attempt in attempts
        if attempt.number == claim.attempt - 1 and attempt.outcome == "lost" and attempt.error is None
    ]
    line = f"attempt {claim.attempt} on worker {claim.worker}"
    if checkpoint is not None:
        whose = f" of {claim.job.retry_of}" if checkpoint.fence == 0 and claim.job.retry_of else ""
        line += f", going on from the checkpoint{whose} after epoch {checkpoint.epoch}"
        line += f", step {checkpoint.step}" if checkpoint.step else ""
    return [*lines, line]


def started_over(reason: str) -> str:
    """Said where nothing can go on from the job's checkpoint."""
    return f"starting over, since the checkpoint can't be used here: {reason}"


def epoch(number: int, metrics: Mapping[str, float]) -> str:
    """`epoch 3: loss 6.4102, ndcg@10 0.0381`."""
    return f"epoch {number}: " + ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())


def ended(attempt: int, how: str, error: Mapping[str, Any] | None = None) -> str:
    """`attempt 2 lost: out_of_memory: the trainer was killed`."""
    why = "" if error is None else f": {error.get('code')}: {error.get('message')}"
    return f"attempt {attempt} {how}{why}"


def stderr(tail: str, folder: Path) -> list[str]:
    """The last lines of a trainer's standard error, without credentials and without the folder it ran in."""
    text = tail.replace(str(folder), ".")
    text = _NAMED_SECRET.sub(rf"\1{_HIDDEN}", _CREDENTIALS_IN_URL.sub(_HIDDEN, text))
    return [f"stderr: {line}" for line in text.splitlines() if line.strip()][-MAX_STDERR_LINES:]
