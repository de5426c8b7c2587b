"""A stand-in for the trainer that costs 30 ms instead of seconds, for figures about the queue and not about training.

Started as `python -I -S trainer.py FOLDER`, with the standard library only. It says what the real one says, leaves
checkpoints, goes on from them, stops on SIGTERM, ends with its supervisor, and makes the files that a bundle has. Their
bytes depend on the seed in the config alone, however often it was interrupted. Seed HUNGRY takes memory until it dies.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

EPOCHS = 4
HUNGRY = 666
CHUNK_BYTES = 32 << 20
MOST_CHUNKS = 32
INTERRUPTED, ORPHANED = 75, 76


def main(folder: Path) -> int:
    """Do the work of one attempt. Returns the exit status."""
    job = json.loads((folder / "job.json").read_text())
    if job["type"] != "train":
        # A dataset is read by the real one.
        os.execv(sys.executable, [sys.executable, "-m", "worker.trainer", str(folder)])
    threading.Thread(target=_die_with_supervisor, daemon=True).start()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    seed = int(job.get("config", {}).get("seed", 0))
    outputs = folder / "outputs"
    say("phase", phase="build_examples")
    if seed == HUNGRY:
        _eat()
    say("phase", phase="train")
    epoch, state = _begin(folder, seed)
    seconds = float(os.environ.get("CHAOS_WORK_SECONDS", "0.2")) / EPOCHS
    while epoch < EPOCHS:
        if stop.wait(seconds):
            return INTERRUPTED
        epoch, state = epoch + 1, _after(epoch, state)
        say("epoch", epoch=epoch, metrics={"loss": 1.0 / epoch})
        _write(outputs / f"checkpoint-{epoch}.npz", json.dumps([epoch, state]))
        say("checkpoint", path=str(outputs / f"checkpoint-{epoch}.npz"), epoch=epoch, step=0)
    say("phase", phase="export")
    _leave_a_bundle(outputs, state)
    say("result", path=str(outputs / "bundle"))
    return 0


def model_sum(seed: int) -> str:
    """The sha256 of the model of a run that nothing happens to."""
    state = str(seed)
    for epoch in range(EPOCHS):
        state = _after(epoch, state)
    return hashlib.sha256(_model(state).encode()).hexdigest()


def say(event: str, **fields: object) -> None:
    """A line for the supervisor."""
    print(json.dumps({"event": event, **fields}), flush=True)


def _begin(folder: Path, seed: int) -> tuple[int, str]:
    kept = folder / "inputs" / "checkpoint.npz"
    if not kept.exists():
        return 0, str(seed)
    epoch, state = json.loads(kept.read_text())
    return epoch, state


def _after(epoch: int, state: str) -> str:
    return hashlib.sha256(f"{state}:{epoch}".encode()).hexdigest()


def _model(state: str) -> str:
    return "".join(hashlib.sha256(f"{state}/{row}".encode()).hexdigest() for row in range(200))


def _write(path: Path, content: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(content)
    part.replace(path)


def _leave_a_bundle(outputs: Path, state: str) -> None:
    bundle = outputs / "bundle"
    bundle.mkdir()
    model = _model(state)
    (bundle / "model.tflite").write_text(model)
    digest = hashlib.sha256(model.encode()).hexdigest()
    files = [{"path": "model.tflite", "bytes": len(model), "sha256": digest}]
    (bundle / "manifest.json").write_text(json.dumps({"files": files}))
    (bundle / "report.json").write_text(json.dumps({"test": {"ndcg@10": {"value": 0.1, "ci95": None}}}))
    (outputs / "bundle.zip").write_text(model[::-1])
    (outputs / "measurements.json").write_text("{}")


def _eat() -> None:
    """Take memory and touch it, slowly enough to be seen. Gives up where nobody sets a limit."""
    held = []
    for _ in range(MOST_CHUNKS):
        held.append(bytearray(os.urandom(1 << 10)) * (CHUNK_BYTES >> 10))
        time.sleep(0.1)
    time.sleep(30)


def _die_with_supervisor() -> None:
    while os.read(0, 4096):
        pass
    os._exit(ORPHANED)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
