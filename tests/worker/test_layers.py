"""What the worker's parent process may load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_parent_process_never_loads_tensorflow_or_the_pipeline():
    script = (
        "import sys, worker.__main__, worker.service, worker.tasks, worker.supervisor, worker.reaper, worker.broker\n"
        "loaded = {name.partition('.')[0] for name in sys.modules} & {'tensorflow', 'keras', 'ai_edge_litert'}\n"
        "loaded |= {name for name in sys.modules if name.startswith('reco_core.') "
        "and name.split('.')[1] not in ('errors', 'progress', 'durations', 'config', 'datasets')}\n"
        "sys.exit(repr(loaded) if loaded else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_the_trainer_starts_without_tensorflow_so_that_validation_is_quick():
    script = "import sys, worker.trainer; sys.exit('tensorflow' in sys.modules or 'sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], timeout=60)
    assert done.returncode == 0
