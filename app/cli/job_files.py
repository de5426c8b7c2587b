"""`pocketrec job artifacts | download`: the files that a job has made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.errors import CommandFailed, Status, guarded
from app.cli.options import DEFAULT_URL, AsJson, Url, connect
from app.cli.output import console, human_bytes, print_json, printable, say

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of a job, such as job_...")]
OutFolder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the files; made if it is missing.")]
OnlyPaths = Annotated[
    list[str] | None, typer.Option("--path", metavar="PATH", help="Only this file. Repeat it. All when not given.")
]


@guarded
def artifacts(job_id: Id, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List the files that a job has made."""
    with connect(url) as client:
        job = client.job(job_id)
    found = () if job.result is None else job.result.artifacts
    if as_json:
        print_json([artifact.model_dump(mode="json") for artifact in found])
        return
    for artifact in found:
        console().print(f"{human_bytes(artifact.bytes):>9}  {artifact.sha256}  {printable(artifact.path)}")
    if job.removed.get("files") is not None:
        say(f"they were {job.removed['files']}", style="yellow")
    if not found:
        say("no files yet" if not job.finished else f"no files: the job has {job.status}")


@guarded
def download(
    job_id: Id, out: OutFolder, path: OnlyPaths = None, url: Url = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Fetch the files that a job has made, and check each one's sha256. What is there already isn't fetched again.

    Example: pocketrec job download job_... --out examples --path summary.json
    """
    with connect(url) as client:
        job = client.job(job_id)
        made = [] if job.result is None else [artifact.path for artifact in job.result.artifacts]
        missing = sorted({*(path or ())} - {*made})
        if missing or not made:
            what = f"no file {missing[0]}" if missing else "no files"
            lines = [f"job {job.id} has made {what}; `pocketrec job artifacts {job.id}` lists what there is"]
            raise CommandFailed(Status.BAD_INPUT, "not_found", lines)
        files = client.download_files(job, out, path)
    size = sum(file.stat().st_size for file in files)
    if as_json:
        print_json({"folder": str(out), "files": len(files), "bytes": size})
        return
    console().print(f"{len(files)} files, {human_bytes(size)}, all sha256 sums right, in {out}")
