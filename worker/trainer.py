"""The trainer process: `python -m worker.trainer ATTEMPT_DIR` runs one attempt of one job in a fresh interpreter.

It knows no database, no queue and no store. It reads `ATTEMPT_DIR/job.json` and `inputs/`, writes `outputs/`, and says
what it does as JSON lines (`reco_core.progress`) on standard output. SIGTERM asks it to stop at the next checkpoint.
It ends when its standard input closes, because then its supervisor is gone.

| exit status | meaning |
|---|---|
| 0 | done; the last line was `result` |
| 2 | a typed error; the last line was `error` |
| 71 | out of memory, as far as the process itself could tell |
| 75 | interrupted as asked; the last checkpoint holds everything |
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO

from reco_core.errors import InsufficientStorage, Interrupted, PocketRecError, is_disk_full
from reco_core.progress import JsonLinesReporter
from worker import exit_status, pipeline_jobs

if TYPE_CHECKING:
    from reco_core.datasets import DatasetSpec


def main(arguments: list[str]) -> int:
    """Run the attempt whose folder is the one argument. Returns the exit status."""
    if len(arguments) != 1:
        print("usage: python -m worker.trainer ATTEMPT_DIR", file=sys.stderr)
        return exit_status.USAGE
    gc.set_threshold(50_000)  # loading TensorFlow makes a million objects that stay: looking for garbage takes a tenth
    reporter = JsonLinesReporter(take_over_stdout())
    threading.Thread(target=_die_when_stdin_closes, name="parent-watch", daemon=True).start()
    stop = threading.Event()
    folder = Path(arguments[0]).resolve()
    try:
        job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        run = _JOBS[job["type"]]
        run(job, folder, reporter, stop)
    except Interrupted:
        return exit_status.INTERRUPTED
    except MemoryError:
        _print_traceback()
        return exit_status.OUT_OF_MEMORY
    except Exception as error:  # noqa: BLE001 - the process ends here, and its supervisor needs to know why
        reporter.error(typed(error))
        if not isinstance(error, PocketRecError):
            _print_traceback()
        return exit_status.ERROR
    return exit_status.RESULT


class InternalError(PocketRecError):
    """A fault of ours, not of the user's."""

    code = "internal_error"


def typed(error: Exception) -> PocketRecError:
    """`error` as it is reported. A full disk is named, also where a parser took it for a damaged file."""
    if is_disk_full(error):
        return InsufficientStorage(
            "the worker's disk is full; free some space, or give the service a state_dir with more of it, and try again"
        )
    return error if isinstance(error, PocketRecError) else InternalError(_in_short(error))


def take_over_stdout() -> TextIO:
    """The real standard output; whatever else writes to file descriptor 1 from now on ends up on standard error."""
    sys.stdout.flush()
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return channel


def _die_when_stdin_closes() -> None:
    while os.read(0, 4096):
        pass
    os._exit(exit_status.ORPHANED)


def _run_pipeline(job: dict[str, Any], folder: Path, reporter: JsonLinesReporter, stop: threading.Event) -> None:
    stoppable = job["type"] in pipeline_jobs.STOPPABLE
    _on_sigterm(stop.set if stoppable else lambda: os._exit(exit_status.INTERRUPTED))
    (folder / "outputs").mkdir(exist_ok=True)
    pipeline_jobs.JOBS[job["type"]](job, folder, reporter, stop)


def _validate_dataset(job: dict[str, Any], folder: Path, reporter: JsonLinesReporter, _stop: threading.Event) -> None:
    # There is nothing to save, and parsing can't be asked to stop half-way.
    _on_sigterm(lambda: os._exit(exit_status.INTERRUPTED))
    from reco_core import datasets
    from worker import parse_limits

    reporter.phase("validate")
    spec = datasets.DatasetSpec.model_validate(job["spec"])
    outputs = folder / "outputs"
    outputs.mkdir(exist_ok=True)
    source = folder / "inputs" / job["upload"] if "upload" in job else _fetch(job, outputs, reporter)
    if "limits" in job:
        parse_limits.apply(job["limits"])
    try:
        interactions = datasets.load(source, spec)
    except PocketRecError as error:
        _write_json(outputs / "report.json", _seen(source, spec, getattr(error, "report", None)))
        raise
    datasets.store(interactions, outputs / "dataset")
    report = {**interactions.report.as_dict(), "statistics": datasets.log_statistics(interactions)}
    preview = interactions.report.preview
    verdict = {"report": report, "preview": preview, "content_hash": datasets.content_hash(interactions)}
    _write_json(outputs / "report.json", verdict)
    reporter.result(outputs / "dataset")


def _fetch(job: dict[str, Any], outputs: Path, reporter: JsonLinesReporter) -> Path:
    """Download the dataset's files into `outputs/upload`, which is there once they are whole."""
    from worker import sources

    rules = sources.Rules(**job["rules"])
    found = sources.fetch(job["source"], outputs / "fetching", Path(job["cache"]), rules, reporter.log)
    return (outputs / "fetching").rename(outputs / "upload") / found.name


def _seen(source: Path, spec: DatasetSpec, report: Any) -> dict[str, Any]:
    """What can be said of a dataset that is no good: its report, if reading got so far, and its first lines."""
    from reco_core.datasets import preview

    lines = preview.first_lines(source, spec)
    if report is None:
        return {"preview": lines}
    seen = None if report.preview is None else {**report.preview, "lines": lines["lines"] if lines else []}
    return {"report": report.as_dict(), "preview": seen or lines}


_JOBS = {**dict.fromkeys(pipeline_jobs.JOBS, _run_pipeline), "validate_dataset": _validate_dataset}


def _on_sigterm(action: Callable[[], object]) -> None:
    def handle(_signum: int, _frame: FrameType | None) -> None:
        action()

    signal.signal(signal.SIGTERM, handle)


def _print_traceback() -> None:
    with suppress(OSError):  # standard error is a file, and its disk may be full
        traceback.print_exc()


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, allow_nan=False), encoding="utf-8")


def _in_short(error: Exception) -> str:
    first_line = str(error).partition("\n")[0][:300]
    return f"unexpected {type(error).__name__}: {first_line}; the worker's log has the details"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
