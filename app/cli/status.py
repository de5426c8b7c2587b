"""`pocketrec status`: is the service well, what waits, and who works on it?"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import typer

from app.cli.errors import Status, guarded
from app.cli.options import DEFAULT_URL, AsJson, Url, connect
from app.cli.output import console, human_seconds, print_json, printable

if TYPE_CHECKING:
    from rich.table import Table

    from app.client import Check, Readiness, ServiceStatus


@guarded
def status(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show whether the service is well, what waits in its queues, and which workers are at work.

    Exit status: 0 it is ready, also with warnings; 3 it isn't, or can't be reached.
    """
    from app.client import ApiError

    found: ServiceStatus | None = None
    with connect(url) as client:
        ready = client.readiness()
        if ready.ready:
            found = client.status()
        else:
            with suppress(ApiError):  # without its database it knows of no queues
                found = client.status()
    if as_json:
        known = {"now": None, "queues": None, "workers": None} if found is None else found.model_dump(mode="json")
        print_json({**ready.model_dump(mode="json"), **known})
    else:
        _print(ready, found)
    if not ready.ready:
        raise typer.Exit(Status.UNREACHABLE)


def _print(ready: Readiness, found: ServiceStatus | None) -> None:
    console().print(
        "the service is ready" if ready.ready else "the service is not ready", style="green" if ready.ready else "red"
    )
    console().print()
    checks = _table("check", "", "says")
    for check in ready.checks:
        word, style = _verdict(check)
        checks.add_row(check.name, word, check.detail, style=style)
        if check.remedy:
            checks.add_row("", "", check.remedy)
    console().print(checks, soft_wrap=False)
    if found is not None:
        _print_work(found)


def _print_work(found: ServiceStatus) -> None:
    console().print()
    queues = _table("queue", "waiting", "running", "the oldest waits", "a worker looked", right=(1, 2, 3, 4))
    for queue in found.queues:
        oldest = "" if queue.oldest_seconds is None else human_seconds(queue.oldest_seconds)
        looked = "never" if queue.looked_at is None else _ago(queue.looked_at, found.now)
        queues.add_row(queue.name, str(queue.waiting), str(queue.running), oldest, looked)
    console().print(queues, soft_wrap=False)
    console().print()
    if not found.workers:
        console().print("no worker holds a job")
        return
    workers = _table("worker", "busy", "seen", "works on", right=(1, 2), whole=3)
    for worker in found.workers:
        jobs = "\n".join(f"{job.id}\n  {job.phase or job.type}, attempt {job.attempt}" for job in worker.jobs)
        workers.add_row(printable(worker.name), str(worker.busy), _ago(worker.seen_at, found.now), jobs)
    console().print(workers, soft_wrap=False)


def _verdict(check: Check) -> tuple[str, str | None]:
    if check.ok:
        return "ok", None
    return ("failed", "red") if check.required else ("warning", "yellow")


def _ago(then: datetime, now: datetime) -> str:
    return f"{human_seconds(max(0.0, (now - then).total_seconds()))} ago"


def _table(*headings: str, right: tuple[int, ...] = (), whole: int | None = None) -> Table:
    """An empty table whose columns may be broken, so that it fits any width, but for the one at `whole`."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for number, heading in enumerate(headings):
        justify: Literal["left", "right"] = "right" if number in right else "left"
        table.add_column(heading, justify=justify, overflow="fold", no_wrap=number == whole)
    return table
