"""The one task: a hint that a job may be waiting."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import structlog

from registry.broker_address import TASK
from worker import slot

if TYPE_CHECKING:
    from celery import Celery

    from worker.runtime import Runtime

log = structlog.get_logger(__name__)

_JOB_ID = re.compile(r"job_[0-9a-f]{32}", re.ASCII)


def register(app: Celery, runtime: Runtime) -> None:
    """Make `app` able to run jobs with what `runtime` holds."""

    def run_job(*args: Any, **kwargs: Any) -> None:
        hint = hint_from(args, kwargs)
        if hint is None:
            log.warning("message_discarded", reason="not a job id", args=repr(args)[:200], kwargs=repr(kwargs)[:200])
        else:
            slot.work(runtime, hint)

    app.task(name=TASK, typing=False)(run_job)


def hint_from(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    """The job id that a message carries, or None if it carries anything else."""
    if len(args) == 1 and not kwargs and isinstance(args[0], str) and _JOB_ID.fullmatch(args[0]):
        return args[0]
    return None
