"""Contract fuzzing: schemathesis against the running service, stateless and stateful, with good and with bad requests.

Starts a service of its own in a temporary folder, gives it a dataset, a trained model and jobs in several states, and
lets schemathesis derive requests from /openapi.json. It fails on any 5xx and on any answer that the document doesn't
describe. `--seconds` sets a time budget and `--examples` the cases per operation.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from app.cli.children import Child, stop_on_signals  # noqa: E402
from app.client import Client  # noqa: E402

READY_SECONDS = 90.0
KEY = "the key of a service that lives for minutes"
# A schema can't say that a dataset must exist, or that a text must be JSON: a documented refusal is a right answer.
CHECKS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 304, 400, 404, 406, 409, 412, 413, 415, 416, 422]
"""
TINY: dict[str, Any] = {
    "encoder": {"type": "bow"},
    "model": {"embedding_dim": 8},
    "examples": {"max_history_length": 5},
    "training": {"max_epochs": 1, "batch_size": 64},
    "evaluation": {"bootstrap_samples": 100},
    "export": {"top_k": 10, "variants": ["float32"], "default_variant": "float32"},
}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--examples", type=int, default=200, help="cases per operation and phase (default 200)")
    parser.add_argument("--seconds", type=int, help="time budget; fuzzing repeats until it is spent")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same requests (default 1)")
    parser.add_argument("--phases", default="examples,coverage,fuzzing,stateful")
    parser.add_argument("--no-shrink", action="store_true", help="report findings as they came: faster")
    parser.add_argument("--exclude-checks", help="names of schemathesis' checks to leave out, with commas")
    parser.add_argument("--url", help="a service that runs already; nothing is prepared there")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run and return the exit status: 0 where nothing was found."""
    options = parse(arguments)
    stop_on_signals()
    with tempfile.TemporaryDirectory(prefix="pocketrec-fuzz-") as temporary:
        folder = Path(temporary)
        if options.url:
            return fuzz(options, options.url, {}, folder)
        # Training that the fuzzer orders must not take long; it isn't what is tested here.
        environment = {
            "POCKETREC_API_KEY": KEY,
            "POCKETREC_DEADLINE_SECONDS": "30",
            "POCKETREC_STOP_SECONDS": "2",
            "POCKETREC_LOG_LEVEL": "error",
        }
        serve = ["-m", "app.cli", "serve", "--port", "0", "--state-dir", str(folder / "state"), "--json"]
        log = folder / "service.log"
        with Child([*serve, "--stop-with-stdin"], log=log, environment=environment) as service:
            url = service.expect(READY_SECONDS)["url"]
            with Client(url, KEY) as client:
                known = prepare(client, folder)
            status = fuzz(options, url, known, folder)
            alive = service.running
        if not alive:
            print("the service did not survive:" + service.log_tail(), file=sys.stderr)
            return 1
        return status


def prepare(client: Client, folder: Path) -> dict[str, list[str]]:
    """One of everything, so that more than the 404s is tested; the ids by the name of the parameter that takes them."""
    log = folder / "films.csv"
    draw = random.Random(3)
    rows = [
        f"u{user},i{item},{1_000_000 + 60 * n}"
        for user in range(40)
        for n, item in enumerate(draw.sample(range(20), 8))
    ]
    log.write_text("\n".join(["user,item,timestamp", *rows]) + "\n")
    good = client.wait_for_dataset(client.upload_dataset(log).id)
    log.write_text("user,item,timestamp\n,,\n")
    bad = client.wait_for_dataset(client.upload_dataset(log).id)
    done = list(client.watch_job(client.submit_job(good.id, config=TINY, model="films").id))[-1]
    if done.status != "succeeded":
        raise SystemExit(f"the first job ended as {done.status}: {done.error}")
    checked = list(client.watch_job(client.submit_evaluation("films", 1).id))[-1]  # its files are its own
    stopped = client.submit_job(good.id, config={**TINY, "seed": 2}, model="films")
    client.cancel_job(stopped.id)
    return parameters(datasets=[good.id, bad.id], jobs=[done.id, checked.id, stopped.id], model="films")


def parameters(*, datasets: list[str], jobs: list[str], model: str) -> dict[str, list[str]]:
    """Values for parameters, by place and name."""
    return {
        "path.dataset_id": datasets,
        "query.dataset_id": datasets[:1],
        "path.job_id": jobs,
        "path.name": [model],
        "query.model": [model],
        "path.version": ["1"],
        "query.versions": ["1"],
        "path.path": ["model.tflite", "manifest.json", "report.json", "SHA256SUMS", "model.tflite.sha256"],
        # Long polls are tested elsewhere, and cost a fuzzer its time.
        "query.wait": ["0"],
    }


def fuzz(
    options: argparse.Namespace, url: str, known: dict[str, list[str]], folder: Path, output: IO[str] | None = None
) -> int:
    """Run schemathesis over the service at `url`; what it says goes to `output`, or standard output."""
    settings = folder / "schemathesis.toml"
    settings.write_text(toml(known), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "run", f"{url}/openapi.json"),
        *(
            "--header",
            f"Authorization: Bearer {KEY}",
            "--mode",
            "all",
            "--max-examples",
            str(options.examples),
            "--seed",
            str(options.seed),
        ),
        *("--phases", options.phases, "--continue-on-failure", "--suppress-health-check", "all"),
        *("--generation-database", "none", "--request-timeout", "30", "--warnings", "off"),
        *(["--max-time", str(options.seconds)] if options.seconds else []),
        *(["--exclude-checks", options.exclude_checks] if options.exclude_checks else []),
        *(["--no-shrink"] if options.no_shrink else []),
    ]
    began = time.monotonic()
    status = subprocess.run(command, cwd=folder, env={**os.environ, "COLUMNS": "120"}, stdout=output).returncode
    print(f"fuzzed for {time.monotonic() - began:.0f} s, exit status {status}", file=output, flush=True)
    return status


def toml(known: dict[str, list[str]]) -> str:
    """The settings: known ids in most requests, so that the rest of a request is looked at."""
    dictionaries = [f"[dictionaries.{name.replace('.', '_')}]\nvalues = {values!r}\n" for name, values in known.items()]
    bound = [f'"{name}" = {{ dictionary = "{name.replace(".", "_")}", probability = 0.8 }}\n' for name in known]
    return "".join(["max-stream-events = 1\n", CHECKS, "[parameters]\n", *bound, *dictionaries])


if __name__ == "__main__":
    sys.exit(main())
