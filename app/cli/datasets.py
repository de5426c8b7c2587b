"""`pocketrec dataset ...`: upload logs and read what was found in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.errors import CommandFailed, Status, from_problem, guarded
from app.cli.options import DEFAULT_URL, AsJson, Format, Items, Limit, Map, OnBadRows, Url, Users, connect
from app.cli.output import console, error_console, human_bytes, print_json, say

if TYPE_CHECKING:
    from app.client import Client, Dataset

app = typer.Typer(no_args_is_help=True, help="Upload logs and read what was found in them.")

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of a dataset, such as ds_...")]
Path_ = Annotated[Path, typer.Argument(metavar="PATH", help="The log: a file, a zip, or a folder (sent as a zip).")]
Name = Annotated[str | None, typer.Option("--name", help="How to call it; by default the file's name.")]
Builtin = Annotated[
    str | None, typer.Option("--builtin", metavar="NAME", help="One that `pocketrec dataset builtins` lists.")
]
FromUrl = Annotated[
    str | None,
    typer.Option("--from-url", metavar="URL", help="Public https address of the log, where the service allows that."),
]
Label = Annotated[list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="Your own note. Repeat it.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return before it has been validated.")]


@app.command()
@guarded
def upload(
    path: Path_,
    name: Name = None,
    format: Format = None,  # noqa: A002 - typer names the option after it
    map: Map = None,  # noqa: A002
    items: Items = None,
    users: Users = None,
    on_bad_rows: OnBadRows = None,
    no_wait: NoWait = False,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Upload a log, wait until it is validated and show the report.

    Examples:

      pocketrec dataset upload ml-100k.zip

      pocketrec dataset upload log.csv --map user=uid --map item=sku --map timestamp=at
    """
    from app.cli.specs import dataset_spec

    spec = dataset_spec(format, map, on_bad_rows=on_bad_rows)
    with connect(url) as client:
        dataset = send(client, path, name, spec, items, users)
        if not no_wait:
            dataset = client.wait_for_dataset(dataset.id)
    _conclude(dataset, as_json)


@app.command()
@guarded
def create(
    builtin: Builtin = None,
    from_url: FromUrl = None,
    name: Name = None,
    format: Format = None,  # noqa: A002 - typer names the option after it
    map: Map = None,  # noqa: A002
    on_bad_rows: OnBadRows = None,
    label: Label = None,
    no_wait: NoWait = False,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Have the service fetch a log, wait until it is validated and show the report.

    Examples:

      pocketrec dataset create --builtin movielens-100k

      pocketrec dataset create --from-url https://example.com/ratings.csv --map user=uid
    """
    from app.cli.specs import dataset_spec, pairs

    if (builtin is None) == (from_url is None):
        raise CommandFailed(Status.BAD_INPUT, "usage", ["give either --builtin NAME or --from-url URL"])
    labels = pairs("--label", label)
    with connect(url) as client:
        spec = dataset_spec(format, map, on_bad_rows=on_bad_rows)
        dataset = client.create_dataset(builtin=builtin, url=from_url, name=name, spec=spec, labels=labels or None)
        if not no_wait:
            dataset = client.wait_for_dataset(dataset.id)
    _conclude(dataset, as_json)


@app.command()
@guarded
def builtins(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List what the service can fetch by name, with what its publisher allows."""
    with connect(url) as client:
        found = client.builtin_datasets()
    if as_json:
        print_json(found)
        return
    for entry in found:
        size = f"{entry['interactions']:,} interactions of {entry['users']:,} users with {entry['items']:,} items"
        download = "" if entry["bytes"] is None else f"  {human_bytes(entry['bytes'])}"  # not known of all
        console().print(f"{entry['name']}{download}  {size}")
        console().print(f"  {entry['title']}")
        console().print(f"  {entry['licence']}")


@app.command("list")
@guarded
def list_(limit: Limit = 20, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List datasets, newest first."""
    with connect(url) as client:
        datasets = client.datasets(limit)
    if as_json:
        print_json([dataset.model_dump(mode="json") for dataset in datasets])
        return
    for dataset in datasets:
        _print_line(dataset)
    if not datasets:
        say("no datasets yet; upload one with `pocketrec dataset upload PATH`")


@app.command()
@guarded
def show(dataset_id: Id, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show one dataset."""
    with connect(url) as client:
        dataset = client.dataset(dataset_id)
    if as_json:
        print_json(dataset.model_dump(mode="json"))
    else:
        _print(dataset)


@app.command()
@guarded
def report(dataset_id: Id, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show what was read of a dataset: mapping, rows in, accepted, and rejected by reason with line numbers."""
    with connect(url) as client:
        found = client.dataset_report(dataset_id)
    if as_json:
        print_json(found)
    else:
        print_report(found)


@app.command()
@guarded
def preview(
    dataset_id: Id,
    rows: Annotated[int, typer.Option("--rows", min=1, max=100, help="How many rows.")] = 10,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show the first rows as they were understood: is the user the user, is the time the time?"""
    with connect(url) as client:
        found = client.dataset_preview(dataset_id, rows)
    if as_json:
        print_json(found)
    else:
        print_preview(found)


@app.command()
@guarded
def rename(
    dataset_id: Id,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its new name.")],
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Give a dataset another name."""
    with connect(url) as client:
        _show_changed(client.update_dataset(dataset_id, name=name), as_json)


@app.command()
@guarded
def label(
    dataset_id: Id,
    pairs_: Annotated[
        list[str], typer.Argument(metavar="KEY=VALUE...", help="KEY= without a value removes the label.")
    ],
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Set or remove labels of a dataset.

    Example:

      pocketrec dataset label ds_... season=spring draft=
    """
    from app.cli.specs import pairs

    labels = {key: value or None for key, value in pairs("label", pairs_).items()}
    with connect(url) as client:
        _show_changed(client.update_dataset(dataset_id, labels=labels), as_json)


@app.command()
@guarded
def delete(dataset_id: Id, url: Url = DEFAULT_URL) -> None:
    """Delete a dataset. Jobs and models made from it stay; one that a waiting or running job needs is refused."""
    with connect(url) as client:
        client.delete_dataset(dataset_id)
    say(f"deleted {dataset_id}")


def send(
    client: Client,
    path: Path,
    name: str | None,
    spec: dict[str, Any],
    items: Path | None = None,
    users: Path | None = None,
) -> Dataset:
    """Upload with a progress bar on stderr where that is a terminal."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    bar = Progress(
        TextColumn("uploading"),
        BarColumn(bar_width=30),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=error_console(),
        transient=True,
        disable=not error_console().is_terminal,
    )
    with bar:
        task = bar.add_task("upload", total=None)
        return client.upload_dataset(
            path,
            name=name,
            spec=spec,
            items=items,
            users=users,
            report=lambda done, total: bar.update(task, completed=done, total=total),
        )


def invalid(dataset: Dataset) -> CommandFailed:
    """The failure that an invalid dataset is."""
    return from_problem(dataset.error, f"dataset {dataset.id} is invalid")


def print_report(found: dict[str, Any], *, with_examples: bool = True) -> None:
    """A load report in lines; `with_examples` of bad rows."""
    if "mapping" in found:
        columns = ", ".join(f"{role}={column}" for role, column in found["mapping"].items() if column)
        origin = "detected" if found.get("mapping_detected") else "as given"
        console().print(f"  format {found.get('format')}, columns {columns or 'fixed by the format'} ({origin})")
    rows = found.get("rows")
    if rows:
        rejected = rows.get("rejected") or {}
        console().print(f"  rows in {rows['in']:,}, accepted {rows['accepted']:,}, rejected {sum(rejected.values()):,}")
        for reason, count in rejected.items():
            console().print(f"    {reason}: {count:,}")
    for warning in found.get("warnings") or ():
        console().print(f"  note: {warning['count']:,} {warning['detail']}")
    if "users" in found:
        console().print(f"  users {found['users']:,}, items {found['items']:,}")
    for example in (found.get("examples") or ()) if with_examples else ():
        place = f"{example.get('file') or ''} line {example.get('line')}".strip()
        console().print(f"    {place}: {example.get('detail') or example.get('code')}")


def print_preview(found: dict[str, Any]) -> None:
    """A preview in lines. Its texts are a stranger's; the service has taken control characters out of them."""
    console().print(f"{found['file']}: {found['format'] or 'unknown format'}")
    if found["columns"]:
        console().print("  columns " + ", ".join(f"{column['name']} ({column['type']})" for column in found["columns"]))
    for row in found["rows"]:
        time = row["timestamp"] or row["timestamp_raw"] or ""
        rating = "" if row["rating"] is None else f"{row['rating']:g}"
        console().print(f"  {row['line']:>7}  {row['user']:<16}  {row['item']:<16}  {time:<27}  {rating}".rstrip())
    for item in found["items"][:5]:
        console().print(f"  {item['item']:<16}  {item['title'] or ''}  {', '.join(item['categories'])}".rstrip())
    for number, line in enumerate(found["lines"], 1):
        console().print(f"  line {number}: {line}")


def _conclude(dataset: Dataset, as_json: bool) -> None:
    """Show what became of a new dataset. Raises CommandFailed where it is invalid."""
    if dataset.status != "invalid":
        _show(dataset, as_json)
        return
    if not as_json:
        _print(dataset, with_examples=False)  # the error names them
    raise invalid(dataset)


def _show(dataset: Dataset, as_json: bool) -> None:
    if as_json:
        print_json(dataset.model_dump(mode="json"))
    else:
        _print(dataset)


def _show_changed(dataset: Dataset, as_json: bool) -> None:
    if as_json:
        print_json(dataset.model_dump(mode="json"))
        return
    _print_line(dataset)
    if dataset.labels:
        console().print("  " + ", ".join(f"{key}={value}" for key, value in dataset.labels.items()))


def _print_line(dataset: Dataset) -> None:
    size = human_bytes(dataset.bytes) if dataset.bytes is not None else ""
    console().print(f"{dataset.id}  {dataset.status:<10}  {size:>9}  {dataset.name or ''}")


def _print(dataset: Dataset, *, with_examples: bool = True) -> None:
    _print_line(dataset)
    if dataset.report:
        print_report(dataset.report, with_examples=with_examples)
    if dataset.status == "ready":
        console().print(f"Next: pocketrec job submit --dataset {dataset.id} --preset bow --model NAME --watch")
