"""`pocketrec job ...`: submit, watch, cancel and retry jobs, read what they say and fetch what they made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import job_files
from app.cli.changes import Set
from app.cli.errors import CommandFailed, Status, from_problem, guarded
from app.cli.estimates import say_expected
from app.cli.options import DEFAULT_URL, AsJson, Config, Limit, Preset, Url, connect
from app.cli.orders import BaseVersion, Checkpoint, DatasetId, OfType, Type, order, with_version
from app.cli.output import console, human_seconds, print_json, printable, say

if TYPE_CHECKING:
    from app.client import Attempt, Client, Event, Job

app = typer.Typer(no_args_is_help=True, help="Submit, watch, cancel and retry jobs, fetch their files.")

SHOWN_EPOCHS = 5  # of those that were complete before somebody began to watch
# Those that each type goes through; the first one is a dataset's, and done by then.
PHASES = {
    "examples": ("validate", "build_examples", "publish"),
    "export": ("validate", "build_examples", "export", "evaluate", "verify", "publish"),
    "evaluate": ("validate", "build_examples", "evaluate", "publish"),
}

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of a job, such as job_...")]
OnlyType = Annotated[Type | None, typer.Option("--type", help="Only jobs of this type.")]
Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="Name under which the result is published.")]
Watch = Annotated[
    bool, typer.Option("--watch", help="Stay and show the job until it is finished; exit 1 unless it succeeds.")
]
WithStatus = Annotated[
    str | None,
    typer.Option(
        "--status",
        metavar="STATUS",
        help="Only jobs with this status: queued, running, cancelling, succeeded, failed or cancelled.",
    ),
]
Metadata = Annotated[
    list[str] | None,
    typer.Option("--metadata", metavar="KEY=VALUE", help="A note on the job, such as commit=4f2a91c. Repeat it."),
]
WithMetadata = Annotated[
    list[str] | None,
    typer.Option("--metadata", metavar="KEY=VALUE", help="Only jobs with this note. Repeat it: all must be there."),
]
Tail = Annotated[int | None, typer.Option("--tail", min=1, max=1000, metavar="N", help="Only the last N lines.")]
FollowLog = Annotated[bool, typer.Option("--follow", "-f", help="Stay and print new lines until the job is finished.")]
OfAttempt = Annotated[int | None, typer.Option("--attempt", min=1, metavar="N", help="Only lines of this attempt.")]
After = Annotated[int, typer.Option("--after", min=0, help="Only events with a higher sequence number.")]

app.command()(job_files.artifacts)
app.command()(job_files.download)


@app.command()
@guarded
def submit(
    type: OfType = Type.TRAIN,  # noqa: A002 - typer names the option after it
    dataset: DatasetId = None,
    base: BaseVersion = None,
    checkpoint: Checkpoint = None,
    preset: Preset = None,
    config: Config = None,
    set: Set = None,  # noqa: A002
    model: Model = None,
    metadata: Metadata = None,
    watch: Watch = False,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Queue a job: a training, or a part of one.

    Examples:

      pocketrec job submit --dataset ds_... --preset bow --model movies --watch

      pocketrec job submit --dataset ds_... --base-version movies@3 --set training.max_epochs=5

      pocketrec job submit --type examples --dataset ds_... --set examples.tfrecord.layout=original_2020

      pocketrec job submit --type export --base movies/3 --checkpoint epoch-00003 --set export.top_k=20

      pocketrec job submit --type evaluate --base movies --dataset ds_... --set evaluation.k=[5,20]
    """
    fields = order(type, dataset, base, checkpoint, preset, config, set)
    with connect(url) as client:
        fields["base"] = with_version(client, fields["base"])
        job = client.create_job(type.value, **fields, model=model, metadata=_pairs(metadata))
        say_expected(job.estimate)
        if watch:
            say(f"{job.id} queued")
            job = follow(client, job.id)
    finish(job, as_json, must_succeed=watch)


@app.command("list")
@guarded
def list_(
    status: WithStatus = None,
    metadata: WithMetadata = None,
    type: OnlyType = None,  # noqa: A002
    limit: Limit = 20,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first; not those that check datasets.

    Example: pocketrec job list --status failed --metadata team=films
    """
    with connect(url) as client:
        jobs = _of_users(client, limit, status, _pairs(metadata), type)
    if as_json:
        print_json([job.model_dump(mode="json") for job in jobs])
        return
    for job in jobs:
        _print_line(job)
    if not jobs and (status or metadata or type):
        say("no such jobs; `pocketrec job list` lists all")
    elif not jobs:
        say("no jobs; submit one with `pocketrec job submit --dataset ID --preset bow`")


@app.command()
@guarded
def show(job_id: Id, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show one job."""
    with connect(url) as client:
        job = client.job(job_id)
    finish(job, as_json, must_succeed=False)


@app.command()
@guarded
def watch(job_id: Id, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show a job until it is finished. Ctrl-C stops watching, not the job.

    Exit status: 0 it succeeded, 1 it failed or was cancelled, 2 wrong usage, such as an unknown id.
    """
    with connect(url) as client:
        job = follow(client, job_id)
    finish(job, as_json, must_succeed=True)


@app.command()
@guarded
def cancel(job_id: Id, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Ask a job to stop. It keeps its best checkpoint."""
    with connect(url) as client:
        job = client.cancel_job(job_id)
    finish(job, as_json, must_succeed=False)


@app.command()
@guarded
def retry(job_id: Id, watch: Watch = False, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Try a failed or cancelled job again: a new job, which goes on from the checkpoint that the old one kept."""
    with connect(url) as client:
        job = client.retry_job(job_id)
        if job.checkpoint is not None:
            say(f"{job.id} goes on from the checkpoint of {job_id} after epoch {job.checkpoint.epoch}")
        else:
            removed = client.job(job_id).removed.get("checkpoint")
            why = "has no checkpoint to go on from" if removed is None else f"has none: its checkpoint was {removed}"
            say(f"{job.id} begins anew: {job_id} {why}")
        if watch:
            job = follow(client, job.id)
    finish(job, as_json, must_succeed=watch)


@app.command()
@guarded
def logs(
    job_id: Id,
    tail: Tail = None,
    follow: FollowLog = False,
    attempt: OfAttempt = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Print what a job's attempts have said: phases, epochs, why one was lost. Ctrl-C stops following, not the job.

    Example: pocketrec job logs job_... --tail 50 --follow
    """
    if follow and as_json:
        raise CommandFailed(Status.BAD_INPUT, "contradiction", ["--follow prints lines as they come; leave out --json"])
    with connect(url) as client:
        found = client.follow_log(job_id, tail=tail, attempt=attempt) if follow else None
        lines = client.log(job_id, tail=tail, attempt=attempt) if found is None else found
        if as_json:
            print_json([line.model_dump(mode="json") for line in lines])
            return
        for line in lines:
            when = line.created_at.strftime("%H:%M:%S") if line.created_at else ""
            console().print(f"{when}  {printable(line.line)}")


@app.command()
@guarded
def attempts(job_id: Id, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List the tries of a job: where each ran, how it ended and why, and how long its phases took."""
    with connect(url) as client:
        found = client.attempts(job_id)
    if as_json:
        print_json([attempt.model_dump(mode="json") for attempt in found])
        return
    for attempt in found:
        when = attempt.started_at.strftime("%Y-%m-%d %H:%M:%S") if attempt.started_at else ""
        spent = ", ".join(f"{phase} {human_seconds(seconds)}" for phase, seconds in attempt.phases.items())
        console().print(f"{attempt.number:>3}  {attempt.outcome:<9}  {when}  {attempt.worker}  {spent}".rstrip())
        if attempt.error:
            console().print(f"     {attempt.error.get('code')}: {attempt.error.get('detail')}", style="red")
    if not found:
        say("no attempts yet; the job waits for a worker")


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
    """Show a job's phases, epochs and time left on stderr until it is finished; of past epochs only the last few."""
    from app.cli.follow import Display
    from app.client import ClientError

    seen = 0
    phases = PHASES.get(client.job(job_id).type)
    with Display(phases) if phases else Display() as display:
        for job in client.watch_job(job_id, hold=1):
            is_told = job.last_seq > seen and "events" not in job.removed
            found = client.events(job_id, seen) if is_told else []
            past = _past_epochs(found) if seen == 0 else frozenset()
            for event in found:
                seen = event.seq
                if event.type == "job.phase_changed":
                    display.phase(str(event.data.get("phase")))
                elif event.type == "job.epoch_completed":
                    epoch, metrics = int(event.data["epoch"]), event.data.get("metrics", {})
                    display.epoch(epoch, metrics, is_shown=event.seq not in past)
            if job.progress is not None and job.progress.total:
                display.progress(job.progress.done, job.progress.total, job.progress.unit, job.progress.eta_seconds)
        # What is written above counts from when this command began; the job may have begun long before.
        with suppress(ClientError):
            display.took(_seconds_by_phase(client.attempts(job_id)))
    return job


def _past_epochs(events: Sequence[Event]) -> frozenset[int]:
    """The `seq` of those epochs that were over long before somebody began to watch: all but the last few."""
    epochs = [event.seq for event in events if event.type == "job.epoch_completed"]
    return frozenset(epochs[:-SHOWN_EPOCHS])


def _seconds_by_phase(attempts: Iterable[Attempt]) -> dict[str, float]:
    """What all attempts have spent in each phase, in the order in which the phases were entered."""
    spent: dict[str, float] = {}
    for attempt in attempts:
        for phase, seconds in attempt.phases.items():
            spent[phase] = spent.get(phase, 0.0) + seconds
    return spent


def _of_users(
    client: Client, limit: int, status: str | None, metadata: dict[str, str] | None, type_: Type | None
) -> list[Job]:
    """The newest jobs that somebody has submitted: the service itself submits those that check datasets."""
    if type_ is not None:
        return client.jobs(limit, status, metadata, type_.value)
    asked = limit
    while True:
        found = client.jobs(asked, status, metadata, None)
        kept = [job for job in found if job.type != "validate_dataset"]
        if len(kept) >= limit or len(found) < asked:
            return kept[:limit]
        asked *= 2


def _main_figures(metrics: dict[str, Any]) -> list[tuple[str, float]]:
    return [(name, metrics[name]) for name in ("recall@10", "ndcg@10") if isinstance(metrics.get(name), float)]


def _pairs(given: list[str] | None) -> dict[str, str] | None:
    """`["commit=4f2a91c"]` as a map."""
    if not given:
        return None
    for pair in given:
        if "=" not in pair or pair.startswith("="):
            raise CommandFailed(Status.BAD_INPUT, "bad_metadata", [f"--metadata {pair}: expected KEY=VALUE"])
    return dict(pair.split("=", 1) for pair in given)


def finish(job: Job, as_json: bool, *, must_succeed: bool) -> None:
    """Print a job; where it must succeed, raise CommandFailed if it has not."""
    failed = job.status in {"failed", "cancelled"}
    if as_json and not (must_succeed and failed):
        print_json(job.model_dump(mode="json"))
    elif not as_json:
        _print(job)
    if must_succeed and failed:
        if job.status == "cancelled":
            raise CommandFailed(Status.FAILED, "cancelled", [f"job {job.id} was cancelled"])
        # the command did what it was asked to, whatever the job's error is
        raise from_problem(job.error, f"job {job.id} failed", Status.FAILED)


def _print_line(job: Job) -> None:
    phase = f" ({job.phase})" if job.phase and not job.finished else ""
    when = job.created_at.strftime("%Y-%m-%d %H:%M") if job.created_at else ""
    console().print(f"{job.id}  {job.status + phase:<24}  {when}  {_about(job)}".rstrip())


def _about(job: Job) -> str:
    """What a job works on and makes, in a word or two."""
    if job.base is None:
        made = "examples" if job.type == "examples" else job.model or ""
        return f"{job.preset or 'config'}  {made}"
    weights = "" if job.base.checkpoint in (None, "best") else f" {job.base.checkpoint}"
    how = "train from" if job.type == "train" else f"{job.type} of"
    return f"{how} {job.base.model}/{job.base.version}{weights}  {job.model or ''}"


def _print(job: Job) -> None:
    _print_line(job)
    if job.error:
        console().print(f"  {job.error.get('detail') or job.error.get('message') or job.error}", style="red")
    if job.result is not None and job.result.model is None:
        figures = "".join(f"  {name} {value:.4f}" for name, value in _main_figures(job.result.metrics))
        console().print(f"  {len(job.result.artifacts)} files{figures}")
        _print_next(job, f"job download {job.id} --out files")
    elif job.result is not None:
        console().print(f"  model {job.result.model} version {job.result.version}, {len(job.result.artifacts)} files")
        _print_next(job, f"model download {job.result.model} {job.result.version} --out bundle")
    elif job.status in {"failed", "cancelled"} and job.checkpoint is not None:
        console().print(f"  kept: a checkpoint after epoch {job.checkpoint.epoch}")
        console().print(f"Next: pocketrec job retry {job.id}")
    elif job.removed.get("checkpoint") is not None:
        console().print(f"  its checkpoint was {job.removed['checkpoint']}", style="yellow")
    elif not job.finished:
        console().print(f"Next: pocketrec job watch {job.id}")


def _print_next(job: Job, download: str) -> None:
    """How to fetch what the job has made, or that it is gone."""
    removed = job.removed.get("files")
    if removed is None:
        console().print(f"Next: pocketrec {download}")
    else:
        console().print(f"  its files were {removed}", style="yellow")
