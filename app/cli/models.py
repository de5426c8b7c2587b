"""`pocketrec model ...`: look at published models, compare and withdraw versions, download verified bundles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import add_items
from app.cli.errors import CommandFailed, Status, guarded
from app.cli.options import DEFAULT_URL, AsJson, Limit, Url, connect
from app.cli.output import console, error_console, human_bytes, print_json, say

if TYPE_CHECKING:
    from app.client import Client, VerifiedBundle

app = typer.Typer(no_args_is_help=True, help="Look at published models, compare and withdraw versions, download.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a model.")]
Version = Annotated[
    int | None, typer.Argument(metavar="[VERSION]", min=1, help="Version; by default the newest that isn't yanked.")
]
Number = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Number of a version.")]
Compared = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="Name of a model; without it --a and --b are folders.")
]
Numbers = Annotated[
    list[int] | None,
    typer.Argument(
        metavar="[VERSION VERSION...]", min=1, help="Two versions or more; the first is what others are held against."
    ),
]
SideA = Annotated[
    list[str] | None,
    typer.Option(
        "--a",
        metavar="SEED,...",
        help="The trainings of one configuration, one for each seed: bundles, or versions of NAME. Repeat the option, "
        "or put commas between them.",
    ),
]
SideB = Annotated[
    list[str] | None, typer.Option("--b", metavar="SEED,...", help="The same of the configuration to compare it with.")
]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; shown wherever the version is.")]
Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Folder to unpack the bundle into; must not exist or be empty.")
]


app.command("add-items")(add_items.add_items)


@app.command("list")
@guarded
def list_(limit: Limit = 20, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List models."""
    with connect(url) as client:
        models = client.models(limit)
    if as_json:
        print_json([model.model_dump(mode="json") for model in models])
        return
    if not models:
        say("no models yet; a job publishes one when it succeeds")
        return
    from app.cli.model_tables import print_models

    print_models(models)


@app.command()
@guarded
def versions(name: Name, limit: Limit = 20, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List the versions of a model with their figures, newest first."""
    with connect(url) as client:
        found = client.model_versions(name, limit)
    if as_json:
        print_json([version.model_dump(mode="json") for version in found])
        return
    from app.cli.model_tables import print_versions

    print_versions(found)


@app.command()
@guarded
def show(name: Name, version: Version = None, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show a version of a model: figures beside the baselines, and files."""
    with connect(url) as client:
        found = client.model_version(name, version or newest(client, name))
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    from app.cli.model_tables import print_version

    print_version(name, found)


@app.command()
@guarded
def compare(
    name: Compared = None,
    numbers: Numbers = None,
    a: SideA = None,
    b: SideB = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Hold models against each other on the same test examples: versions, or several seeds of two configurations.

    Examples:

      pocketrec model compare movies 3 5

      pocketrec model compare --a rnn-0,rnn-1,rnn-2 --b bow-0,bow-1,bow-2

      pocketrec model compare movies --a 3,4,5 --b 6,7,8

    With versions, each is held against the first. With --a and --b, each user's figures are averaged over the seeds of
    a side, then A minus B is taken user by user. A difference whose 95% interval holds 0 is "not distinguishable":
    another draw of users might as well turn it round. One seed a side tells of these two trainings only; take three or
    more to tell of the configurations. All must have been trained on the same log with the same split.
    """
    if a or b:
        from app.cli.sides import compare_seeds

        compare_seeds(name, numbers, a or [], b or [], lambda: connect(url), as_json)
        return
    if name is None or not numbers:
        lines = ["name a model and two versions or more, or two sides: --a BUNDLE,... --b BUNDLE,..."]
        raise CommandFailed(Status.BAD_INPUT, "usage", lines)
    with connect(url) as client:
        compared = client.compare_versions(name, numbers)
    if as_json:
        print_json(compared)
        return
    from app.cli.model_tables import print_comparison

    print_comparison(compared)


@app.command()
@guarded
def yank(name: Name, number: Number, reason: Reason = None, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Withdraw a version: it is the newest no more.

    Its files stay for whoever names its number: for ever, unless the service is told otherwise by
    POCKETREC_KEEP_YANKED_VERSIONS_DAYS or POCKETREC_KEEP_VERSIONS.
    """
    with connect(url) as client:
        found = client.yank_version(name, number, reason)
        latest = client.model(name).latest_version
        left = None if latest is None else client.model_version(name, latest)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        now = "no version is left" if left is None else f"version {left.version} is the newest now"
        console().print(f"{name} version {number} is yanked; {now}")
    if left is not None and left.removed is not None:
        say(f"mind: version {left.version} can't be downloaded: its files were {left.removed}", style="yellow")


@app.command()
@guarded
def unyank(name: Name, number: Number, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Take back that a version was withdrawn."""
    with connect(url) as client:
        found = client.unyank_version(name, number)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    console().print(f"{name} version {number} is yanked no more")


@app.command()
@guarded
def download(
    name: Name,
    version: Version = None,
    out: Out = Path("bundle"),
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Download a version's bundle, verify every file's sha256 and unpack it. A broken-off download is resumed.

    Example: pocketrec model download movies 3 --out bundle
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CommandFailed(
            Status.BAD_INPUT, "file_error", [f"--out {out} is there already and not empty; name another folder"]
        )
    with connect(url) as client:
        number = version or newest(client, name)
        wanted = client.model_version(name, number)
        if wanted.removed is not None:
            lines = [f"the files of {name} version {number} were {wanted.removed}"]
            lines.append(f"`pocketrec model versions {name}` lists the versions and says which have none")
            raise CommandFailed(Status.BAD_INPUT, "removed_by_policy", lines)
        if wanted.yanked is not None:
            why = f": {wanted.yanked.reason}" if wanted.yanked.reason else ""
            say(f"version {number} was yanked{why}", style="yellow")
        archive = out.resolve().with_name(f"{name}-{number}.zip")
        bundle, sha256 = fetch(client, name, number, archive, out)
    archive.unlink()
    if as_json:
        print_json({"folder": str(out), "files": bundle.files, "bytes": bundle.bytes, "sha256": sha256})
        return
    console().print(f"{bundle.files} files, {human_bytes(bundle.bytes)}, all sha256 sums right, in {out}")
    console().print(f"Next: pocketrec recommend --bundle {out} --history ITEM,ITEM,...")


def newest(client: Client, name: str) -> int:
    """The number of the newest version that isn't yanked.

    Raises:
        CommandFailed: all of them are.
    """
    latest = client.model(name).latest_version
    if latest is None:
        lines = [f"every version of model {name} is yanked; name the number of the one you want all the same"]
        raise CommandFailed(Status.BAD_INPUT, "not_found", lines)
    return latest


def fetch(client: Client, name: str, version: int, archive: Path, folder: Path) -> tuple[VerifiedBundle, str]:
    """Download a bundle to `archive`, unpack it into `folder` and verify all of it; also the zip's sha256."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    from app.client import install

    bar = Progress(
        TextColumn("downloading"),
        BarColumn(bar_width=30),
        DownloadColumn(),
        console=error_console(),
        transient=True,
        disable=not error_console().is_terminal,
    )
    with bar:
        task = bar.add_task("download", total=None)
        sha256 = client.download_bundle(
            name, version, archive, lambda done, total: bar.update(task, completed=done, total=total)
        )
    return install(archive, folder), sha256
