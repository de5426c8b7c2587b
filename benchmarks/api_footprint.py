"""Start time and resident memory of the API process, and proof that TensorFlow is not in it.

python benchmarks/api_footprint.py
"""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
from rich.console import Console
from rich.table import Table

PROGRAM = """
import sys, tempfile, time
began = time.perf_counter()
import app.main
imported = time.perf_counter() - began
from pathlib import Path
from registry.settings import Settings
with tempfile.TemporaryDirectory() as folder:
    app.main.create_app(Settings(state_dir=Path(folder)))
    print(imported, time.perf_counter() - began, 'tensorflow' in sys.modules or 'keras' in sys.modules, flush=True)
    sys.stdin.read()
"""


def main() -> None:
    table = Table("run", "import app.main, s", "ready, s", "whole process, s", "resident MB", "TensorFlow loaded")
    for number in range(1, 6):
        began = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            imported, ready, loaded = process.stdout.readline().split()
            whole = time.perf_counter() - began
            resident = psutil.Process(process.pid).memory_info().rss / 1e6
            process.communicate()
        table.add_row(
            str(number), f"{float(imported):.2f}", f"{float(ready):.2f}", f"{whole:.2f}", f"{resident:.0f}", loaded
        )
    Console().print(table)


if __name__ == "__main__":
    main()
