"""`pocketrec job ...`: submit, watch and cancel training jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.errors import CommandFailed, Status, from_problem, guarded
from app.cli.options import DEFAULT_URL, AsJson, Config, Limit, Preset, Url, connect
from app.cli.output import console, print_json, say

if TYPE_CHECKING:
    from app.client import Client, Job

app = typer.Typer(no_args_is_help=True, help="Submit, watch and cancel training jobs.")

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of a job, such as job_...")]
DatasetId = Annotated[str, typer.Option("--dataset", metavar="ID", help="A dataset that is `ready`.")]
Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="Name under which the result is published.")]
Watch = Annotated[bool, typer.Option("--watch", help="Stay and show the job until it is finished.")]
WithStatus = Annotated[str | None, typer.Option("--status", help="Only jobs with this status.")]
After = Annotated[int, typer.Option("--after", min=0, help="Only events with a higher sequence number.")]


@app.command()
@guarded
def submit(
    dataset: DatasetId,
    preset: Preset = None,
    config: Config = None,
    model: Model = None,
    watch: Watch = False,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Queue a training job.

    Example: pocketrec job submit --dataset ds_... --preset bow --model movies --watch
    """
    from app.cli.specs import config_document

    document = config_document(preset, config)
    with connect(url) as client:
        job = client.submit_job(dataset, preset=preset, config=document if config is not None else None, model=model)
        if watch:
            say(f"{job.id} queued")
            job = follow(client, job.id)
    _finish(job, as_json, must_succeed=watch)


@app.command("list")
@guarded
def list_(status: WithStatus = None, limit: Limit = 20, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List jobs, newest first."""
    with connect(url) as client:
        jobs = client.jobs(limit, status)
    if as_json:
        print_json([job.model_dump(mode="json") for job in jobs])
        return
    for job in jobs:
        _print_line(job)
    if not jobs:
        say("no jobs; submit one with `pocketrec job submit --dataset ID --preset bow`")


@app.command()
@guarded
def show(job_id: Id, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show one job."""
    with connect(url) as client:
        job = client.job(job_id)
    _finish(job, as_json, must_succeed=False)


@app.command()
@guarded
def watch(job_id: Id, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show a job until it is finished; exit 1 unless it succeeded. Ctrl-C stops watching, not the job."""
    with connect(url) as client:
        job = follow(client, job_id)
    _finish(job, as_json, must_succeed=True)


@app.command()
@guarded
def cancel(job_id: Id, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Ask a job to stop. It keeps its best checkpoint."""
    with connect(url) as client:
        job = client.cancel_job(job_id)
    _finish(job, as_json, must_succeed=False)


@app.command()
@guarded
def events(job_id: Id, after: After = 0, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List what has happened to a job."""
    with connect(url) as client:
        found = client.events(job_id, after)
    if as_json:
        print_json([event.model_dump(mode="json") for event in found])
        return
    for event in found:
        when = event.created_at.strftime("%H:%M:%S") if event.created_at else ""
        details = "  ".join(f"{key}={value}" for key, value in event.data.items())
        console().print(f"{event.seq:>5}  {when}  {event.type:<22}  {details}")


def follow(client: Client, job_id: str) -> Job:
    """Show a job's phases, epochs and time left on stderr until it is finished."""
    from app.cli.follow import Display

    seen = 0
    with Display() as display:
        for job in client.watch_job(job_id, hold=1):
            for event in client.events(job_id, seen) if job.last_seq > seen else ():
                seen = event.seq
                if event.type == "job.phase_changed":
                    display.phase(str(event.data.get("phase")))
                elif event.type == "job.epoch_completed":
                    display.epoch(int(event.data["epoch"]), event.data.get("metrics", {}))
            if job.progress is not None and job.progress.total:
                display.progress(job.progress.done, job.progress.total, job.progress.unit, job.progress.eta_seconds)
    return job


def _finish(job: Job, as_json: bool, *, must_succeed: bool) -> None:
    failed = job.status in {"failed", "cancelled"}
    if as_json and not (must_succeed and failed):
        print_json(job.model_dump(mode="json"))
    elif not as_json:
        _print(job)
    if must_succeed and failed:
        if job.status == "cancelled":
            raise CommandFailed(Status.FAILED, "cancelled", [f"job {job.id} was cancelled"])
        raise from_problem(job.error, f"job {job.id} failed")


def _print_line(job: Job) -> None:
    phase = f" ({job.phase})" if job.phase and not job.finished else ""
    when = job.created_at.strftime("%Y-%m-%d %H:%M") if job.created_at else ""
    console().print(f"{job.id}  {job.status + phase:<24}  {when}  {job.preset or 'config'}  {job.model or ''}")


def _print(job: Job) -> None:
    _print_line(job)
    if job.error:
        console().print(f"  {job.error.get('detail') or job.error.get('message') or job.error}", style="red")
    if job.result is not None:
        console().print(f"  model {job.result.model} version {job.result.version}, {len(job.result.artifacts)} files")
        console().print(f"Next: pocketrec model download {job.result.model} {job.result.version} --out bundle")
    elif not job.finished:
        console().print(f"Next: pocketrec job watch {job.id}")
