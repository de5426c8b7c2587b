"""`pocketrec model ...`: look at published models and download verified bundles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.errors import CommandFailed, Status, guarded
from app.cli.options import DEFAULT_URL, AsJson, Limit, Url, connect
from app.cli.output import console, error_console, human_bytes, print_json, say

if TYPE_CHECKING:
    from app.client import Client, VerifiedBundle

app = typer.Typer(no_args_is_help=True, help="Look at published models and download verified bundles.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a model.")]
Version = Annotated[int | None, typer.Argument(metavar="[VERSION]", min=1, help="Version; by default the newest.")]
Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Folder to unpack the bundle into; must not exist or be empty.")
]


@app.command("list")
@guarded
def list_(limit: Limit = 20, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List models."""
    with connect(url) as client:
        models = client.models(limit)
    if as_json:
        print_json(models)
        return
    for model in models:
        console().print("  ".join(f"{value}" for key, value in model.items() if key in {"name", "latest_version"}))
    if not models:
        say("no models yet; a job publishes one when it succeeds")


@app.command()
@guarded
def show(name: Name, version: Version = None, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show a version of a model with its files."""
    with connect(url) as client:
        found = client.model_version(name, version or newest(client, name))
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    console().print(f"{name} version {found.version}, made by {found.job_id}")
    for artifact in found.artifacts:
        console().print(f"  {human_bytes(artifact.bytes):>9}  {artifact.sha256}  {artifact.path}")


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
        archive = out.with_name(f"{name}-{number}.zip")
        bundle, sha256 = fetch(client, name, number, archive, out)
    archive.unlink()
    if as_json:
        print_json({"folder": str(out), "files": bundle.files, "bytes": bundle.bytes, "sha256": sha256})
        return
    console().print(f"{bundle.files} files, {human_bytes(bundle.bytes)}, all sha256 sums right, in {out}")
    console().print(f"Next: pocketrec recommend --bundle {out} --history ITEM,ITEM,...")


def newest(client: Client, name: str) -> int:
    """The newest version's number.

    Raises:
        CommandFailed: the model has none.
    """
    versions = client.model_versions(name)
    if not versions:
        raise CommandFailed(Status.BAD_INPUT, "not_found", [f"model {name} has no version"])
    return max(version.version for version in versions)


def fetch(client: Client, name: str, version: int, archive: Path, folder: Path) -> tuple[VerifiedBundle, str]:
    """Download a bundle to `archive`, unpack it into `folder` and verify all of it; also the zip's sha256."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    from app.client import unpack, verify

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
    unpack(archive, folder)
    return verify(folder), sha256
