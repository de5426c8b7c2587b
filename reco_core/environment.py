"""What, besides config and data, decides over the bytes of a bundle."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("pocketrec", "tensorflow", "tensorflow-cpu", "keras", "numpy", "ai-edge-litert")
_FEATURES = (
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512bw",
    "avx512_vnni",
    "avx512_bf16",
    "amx_tile",
    "asimd",
    "sve",
)


def packages() -> dict[str, str]:
    """Versions of the packages that take part, those that are installed."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ranking_threads() -> int:
    """How many blocks of examples are ranked at once: more than two would wait for memory, and need it."""
    return min(2, available_cores())


def cpu_features() -> list[str]:
    """Instruction sets of this processor that numerical libraries choose their code by; empty where unknown."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return []
    for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            present = set(value.split())
            return [feature for feature in _FEATURES if feature in present]
    return []


def describe(threads: int, xla: bool) -> dict[str, Any]:
    """The manifest's `environment`."""
    return {
        "packages": packages(),
        "machine": platform.machine(),
        "cpu_features": cpu_features(),
        "threads": threads,
        "xla": xla,
    }
