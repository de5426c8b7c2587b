"""`pocketrec job validate`: what a job will come to, before anybody waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.cli.changes import Set
from app.cli.errors import guarded
from app.cli.options import DEFAULT_URL, AsJson, Config, Preset, Url, connect
from app.cli.orders import BaseVersion, Checkpoint, DatasetId, OfType, Type, order, with_version
from app.cli.output import console, human_bytes, human_seconds, print_json, printable, say


@guarded
def validate(
    type: OfType = Type.TRAIN,  # noqa: A002 - typer names the option after it
    dataset: DatasetId = None,
    base: BaseVersion = None,
    checkpoint: Checkpoint = None,
    preset: Preset = None,
    config: Config = None,
    set: Set = None,  # noqa: A002
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Say what a job would come to, without queueing it: examples, sizes, memory, time, and what to mind.

    Exit status 2 where the service would refuse the job, with what to change.

    Example: pocketrec job validate --dataset ds_... --preset rnn
    """
    fields = order(type, dataset, base, checkpoint, preset, config, set)
    with connect(url) as client:
        fields["base"] = with_version(client, fields["base"])
        answer = client.validate_job(type=type.value, **fields)
    if as_json:
        print_json(answer)
        return
    if answer["estimate"] is None:
        say("the dataset's report says too little for an estimate; the job can be queued")
    else:
        print_estimate(answer["estimate"], answer["limits"] or {})
    for warning in answer["warnings"]:
        where = f" ({warning['pointer']})" if warning["pointer"] != "/dataset_id" else ""
        say(printable(f"mind: {warning['detail']}{where}"), style="yellow")
    what = f"--dataset {answer['dataset_id']}" if type is Type.TRAIN else f"--type {type}"
    console().print(f"Next: pocketrec job submit {what} with the same options")


def print_estimate(estimate: Mapping[str, Any], limits: Mapping[str, Any]) -> None:
    """The estimate as a table on stdout."""
    from rich.table import Table

    table = Table(title="What the job would come to", title_justify="left", show_header=False)
    examples, epochs, seconds = estimate["examples"], estimate["epochs"], estimate["seconds"]
    counted = "" if estimate["exact"] else ", guessed"
    table.add_row(
        "examples",
        f"{examples['train']:,} train, {examples['validation']:,} validation, {examples['test']:,} test{counted}",
    )
    users = estimate["users"]
    table.add_row("users", f"{users['used']:,}" + (f", {users['left_out']:,} left out" if users["left_out"] else ""))
    table.add_row("items", f"{estimate['vocabulary']:,}")
    if estimate["parameters"] is not None:
        table.add_row("parameters", f"{estimate['parameters']:,}")
    for name, size in estimate["bytes"].items():
        table.add_row("whole bundle" if name == "bundle" else name, human_bytes(size))
    if estimate["memory_bytes"] is not None:
        granted = limits.get("memory_bytes")
        limit = f" of {human_bytes(granted)}" if granted else ""
        table.add_row("peak memory", human_bytes(estimate["memory_bytes"]) + limit)
    if epochs is not None:
        table.add_row(
            "epochs",
            f"about {epochs['expected']}, at most {epochs['at_most']}; {estimate['steps_per_epoch']:,} steps of "
            f"{estimate['batch_size']:,} examples each",
        )
    for phase, span in seconds["phases"].items():
        table.add_row(f"  {phase}", _span(span))
    table.add_row("time in all", _span(seconds["total"]), style="bold")
    console().print(table, soft_wrap=False)


def say_expected(estimate: Mapping[str, Any] | None) -> None:
    """On stderr, how long a job that was just queued should take once it runs."""
    try:
        total = (estimate or {})["seconds"]["total"]
        say(f"expected to take {_span(total)} once it runs")
    except (KeyError, TypeError):  # none, or one of another version of the service
        return


def _span(span: Mapping[str, float]) -> str:
    return f"about {_seconds(span['expected'])}, at most {_seconds(span['at_most'])}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else human_seconds(seconds)
