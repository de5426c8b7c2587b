"""Time and memory from a log's files to examples, with and without TFRecords, by number of interactions.

    python benchmarks/examples.py [--interactions 100000 1000000 32000000] [--folder DIR]

Logs are synthetic, see synthetic_log.py, and kept in the folder for the next time. Each measurement is a fresh process:
its seconds begin when its libraries are imported, its memory is the most that the whole process ever held.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

# The original toolkit's code on two cores, a million interactions with TFRecords.
ORIGINAL = {"interactions": 1_000_000, "seconds": 218.0, "peak_mb": 6400.0}
KINDS = {"none": "ready for training", "original": "TFRecords", "original_2020": "TFRecords, 2020"}


def main() -> None:
    options = _parser().parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.data, options.out)))
        return
    if options.synthesize:
        import synthetic_log

        synthetic_log.write(options.data, options.synthesize)
        return
    console = Console(width=None if sys.stdout.isatty() else 140)
    with tempfile.TemporaryDirectory(prefix="pocketrec-bench-") as temporary:
        folder = options.folder or Path(temporary)
        results = []
        for count in options.interactions:
            data = folder / f"log-{count}"
            if not (data / "users.dat").exists():  # written last
                console.print(f"writing a log of {count:,} interactions to {data} ...")
                child("--synthesize", str(count), "--data", str(data))
            for kind in KINDS:
                if kind != "none" and count > options.without_records_above:
                    continue
                console.print(f"{count:,} interactions: {KINDS[kind]} ...")
                out = Path(temporary) / "out"
                results.append((count, kind, json.loads(child("--measure", kind, "--data", data, "--out", out))))
                shutil.rmtree(out, ignore_errors=True)
    console.print(table(results))


def measure(kind: str, data: Path, out: Path) -> dict[str, Any]:
    """Seconds of each step in this process, its peak memory, and what came out."""
    from reco_core import datasets, examples
    from reco_core.config import load
    from reco_core.progress import SilentReporter

    config = load({"examples": {"tfrecord": None if kind == "none" else {"layout": kind}}})
    began = time.perf_counter()
    interactions = datasets.load(data, datasets.DatasetSpec())
    loaded = time.perf_counter()
    if kind == "none":
        made = examples.generate(config, interactions)
        count, size = len(made.train) + len(made.validation) + len(made.test), 0
    else:
        summary = examples.write_tfrecords(config, interactions, out, SilentReporter())
        count, size = sum(summary["examples"].values()), sum(file["bytes"] for file in summary["files"])
    ended = time.perf_counter()
    return {
        "load": loaded - began,
        "make": ended - loaded,
        "examples": count,
        "bytes": size,
        "peak_mb": peak_memory() / 1e6,
    }


def peak_memory() -> int:
    """Bytes; of this program alone, where the system can tell it from the process that started it."""
    import resource

    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def child(*arguments: str | Path) -> str:
    """Run this script with `arguments`; its standard output."""
    command = [sys.executable, str(Path(__file__).resolve()), *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def table(results: list[tuple[int, str, dict[str, Any]]]) -> Table:
    found = Table(
        "interactions", "what", "load s", "make s", "together s", "peak MB", "examples", "files MB", "original"
    )
    for count, kind, row in results:
        together = row["load"] + row["make"]
        original = ""
        if kind == "original" and count == ORIGINAL["interactions"]:
            faster, smaller = ORIGINAL["seconds"] / together, ORIGINAL["peak_mb"] / row["peak_mb"]
            original = f"{ORIGINAL['seconds']:.0f} s ({faster:.0f}x), {ORIGINAL['peak_mb']:,.0f} MB ({smaller:.0f}x)"
        found.add_row(
            f"{count:,}",
            KINDS[kind],
            *(f"{number:.2f}" for number in (row["load"], row["make"], together)),
            f"{row['peak_mb']:,.0f}",
            f"{row['examples']:,}",
            f"{row['bytes'] / 1e6:,.0f}" if row["bytes"] else "",
            original,
        )
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interactions", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--folder", type=Path, help="where logs are kept; default: nowhere")
    parser.add_argument(
        "--without-records-above", type=int, default=10_000_000, help="TFRecords of larger logs take 10 GB and minutes"
    )
    parser.add_argument("--measure", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--synthesize", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()
