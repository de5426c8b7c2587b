"""Is the process alive, and can it do its work?"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass

from app.dependencies import Services

CHECK_SECONDS = 5.0


@dataclass(frozen=True)
class Check:
    """What one part answered."""

    name: str
    ok: bool
    detail: str
    milliseconds: float


def run_checks(services: Services) -> list[Check]:
    """Ask the database, the blob store and the broker, all at the same time, for at most `CHECK_SECONDS`."""
    probes: dict[str, Callable[[], object]] = {
        "database": services.database.ping,
        "blob_store": services.blobs.probe,
    }
    broker = getattr(services.nudge, "check", None)
    if broker is not None:
        probes["broker"] = broker
    # Not as a context manager: its end would wait for a probe that hangs.
    pool = ThreadPoolExecutor(len(probes), "readiness")
    started = time.perf_counter()
    try:
        running = {name: pool.submit(probe) for name, probe in probes.items()}
        found = []
        for name, future in running.items():
            try:
                future.result(max(0.0, CHECK_SECONDS - (time.perf_counter() - started)))
                ok, detail = True, "answers"
            except Late:
                ok, detail = False, f"no answer within {CHECK_SECONDS:.0f} seconds"
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
                ok, detail = False, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'failed'}"
            found.append(Check(name, ok, detail, round((time.perf_counter() - started) * 1000, 1)))
        return found
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
