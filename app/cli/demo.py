"""`pocketrec demo`: the whole job through the real service, from the log to recommendations by title."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.children import Child, ChildEnded, stop_on_signals
from app.cli.errors import CommandFailed, Status, guarded
from app.cli.options import Format, Map, Preset
from app.cli.output import console, human_bytes, human_seconds, say

if TYPE_CHECKING:
    from app.client import Client, JobResult, VerifiedBundle

Data = Annotated[Path | None, typer.Option("--data", metavar="PATH", help="Your own log instead of MovieLens-100K.")]
StateDir = Annotated[
    Path, typer.Option("--state-dir", metavar="DIR", help="Folder for the demo's service, downloads and bundle.")
]
BUILTIN = "movielens-100k"
MODEL = "demo"
READY_SECONDS = 90.0
STOP_SECONDS = 40.0


@guarded
def demo(
    data: Data = None,
    format: Format = None,  # noqa: A002 - typer names the option after it
    map: Map = None,  # noqa: A002
    preset: Preset = None,
    state_dir: StateDir = Path("pocketrec-demo"),
) -> None:
    """Run the main job on MovieLens-100K, or on your own log, through the real service.

    Starts API, worker and broker on this machine; uploads the log; trains; downloads the bundle and checks every
    sha256; recommends with the .tflite file in a process without TensorFlow; shows the metrics beside the baselines.
    Nothing is left running, also after Ctrl-C.

    Examples:

      pocketrec demo

      pocketrec demo --data log.csv --map user=uid --map item=sku --preset rnn
    """
    from app.cli.specs import config_document, dataset_spec
    from reco_core.config import DEFAULT_PRESET

    stop_on_signals()
    began = time.monotonic()
    preset = preset or DEFAULT_PRESET
    config_document(preset, None)
    spec = dataset_spec(format, map)
    state_dir.mkdir(parents=True, exist_ok=True)
    log = state_dir / "service.log"
    log.unlink(missing_ok=True)
    say(f"state folder {state_dir.absolute()} (log of the service: {log.name})")
    source = data or _builtin(state_dir / "downloads")
    command = ["-m", "app.cli", "serve", "--port", "0", "--state-dir", str(state_dir / "service")]
    # Who interrupts a demo doesn't wait for a checkpoint.
    environment = {"POCKETREC_STOP_SECONDS": "3"}
    service = Child([*command, "--json", "--stop-with-stdin"], log=log, environment=environment)
    try:
        with _connect(service) as client:
            result = _train(client, source, spec, preset)
            bundle = _download(client, result.version or 1, state_dir)
            measurements = _measurements(client, result, state_dir)
    finally:
        say("stopping the service")
        service.stop(STOP_SECONDS)
    _show(bundle, measurements)
    console().print(f"\nAll of it took {human_seconds(time.monotonic() - began)}.")
    _what_next(bundle, state_dir, preset)


def _builtin(cache: Path) -> Path:
    from reco_core.datasets import builtin

    say(f"obtaining {BUILTIN} (kept in {cache})")
    return builtin.fetch(BUILTIN, cache, lambda message: say(f"    {message}"))


def _connect(service: Child) -> Client:
    from app.client import Client

    try:
        facts = service.expect(READY_SECONDS)
    except ChildEnded as error:
        raise CommandFailed(Status.UNREACHABLE, "start_failed", [f"the service did not start: {error}"]) from None
    if "url" not in facts:
        raise CommandFailed(Status.UNREACHABLE, "start_failed", [f"the service did not start: {facts}"])
    say(f"service at {facts['url']}, broker {facts['broker']['kind']}, durability {facts['durability']}")
    return Client(facts["url"])


def _train(client: Client, source: Path, spec: dict[str, Any], preset: str) -> JobResult:
    """Upload and train.

    Raises:
        CommandFailed: the dataset is invalid, or the job did not succeed.
    """
    from app.cli.datasets import invalid, print_report, send
    from app.cli.errors import from_problem
    from app.cli.jobs import follow

    say(f"uploading {source}")
    dataset = client.wait_for_dataset(send(client, source, None, spec).id)
    if dataset.status == "invalid":
        raise invalid(dataset)
    say(f"dataset {dataset.id} is {dataset.status}")
    print_report(client.dataset_report(dataset.id))
    job = client.submit_job(dataset.id, preset=preset, model=MODEL)
    say(f"job {job.id}: training with the preset {preset}")
    job = follow(client, job.id)
    if job.result is None or job.result.version is None:
        raise from_problem(job.error, f"job {job.id} ended as {job.status}")
    return job.result


def _download(client: Client, version: int, state_dir: Path) -> VerifiedBundle:
    from app.cli.models import fetch

    folder = state_dir / "bundle"
    if folder.exists():
        shutil.rmtree(folder)
    bundle, sha256 = fetch(client, MODEL, version, state_dir / "bundle.zip", folder)
    say(f"downloaded bundle.zip, sha256 {sha256}")
    say(f"all {bundle.files} files in it have the sha256 that the manifest names")
    return bundle


def _measurements(client: Client, result: JobResult, state_dir: Path) -> dict[str, Any] | None:
    """Latency and the like; served beside the bundle."""
    for artifact in result.artifacts:
        if artifact.path.rsplit("/", 1)[-1] == "measurements.json":
            target = state_dir / "measurements.json"
            client.download(artifact.url, target, artifact.sha256)
            found: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
            return found
    return None


def _show(bundle: VerifiedBundle, measurements: dict[str, Any] | None) -> None:
    from app.cli.histories import sample_histories
    from app.cli.recommend import ask
    from app.cli.results import label, latency_ms, print_recommendations, print_report

    console().print("\nRecommendations of the downloaded file, each from a fresh process without TensorFlow:")
    for history in sample_histories(bundle.read_json("items.json")):
        ids = ",".join(str(item["id"]) for item in history.items)
        answer = ask(bundle.folder, ids, 5)
        print_recommendations(f"\n  {history.name}", map(label, history.items), answer["recommendations"])
    console().print()
    report = bundle.read_json("report.json")
    default = str(bundle.manifest["default_variant"])
    print_report(report, measurements, default)
    size = (bundle.folder / "model.tflite").stat().st_size
    latency = latency_ms(measurements).get(default)
    fast = f", {latency:.3f} ms a recommendation on one thread" if latency is not None else ""
    console().print(f"model.tflite ({default}): {human_bytes(size)}{fast}", style="bold")


def _what_next(bundle: VerifiedBundle, state_dir: Path, preset: str) -> None:
    other = "rnn" if preset != "rnn" else "bow"
    items = bundle.read_json("items.json")
    some = ",".join(str(item["id"]) for item in items[1:4])
    lines = [
        "What to try next:",
        f"  pocketrec recommend --bundle {bundle.folder} --history {some}",
        f"  pocketrec demo --preset {other}              another encoder on the same data",
        "  pocketrec demo --data YOUR_LOG.csv         your own log: columns user, item, timestamp",
        f"  pocketrec serve --state-dir {state_dir / 'service'}    the service again, with this job and model",
    ]
    console().print("\n".join(lines))
